from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from promptops.providers.local.locks import exclusive
from promptops.providers.local.server import Door, State, forget_state, lock_of, read_state, write_state
from tests.providers.virtual import run as simulate

STATE = State(pid=1, url="http://127.0.0.1:1", door=2, token="t", model="tiny@0", sha256="0")


class User:
    """One connection to a door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, word: str) -> None:
        self.writer.write(f"{word}\n".encode())
        await self.writer.drain()

    async def hear(self, seconds: float = 60) -> str:
        return (await asyncio.wait_for(self.reader.readline(), seconds)).decode().strip()

    async def hears_nothing(self) -> bool:
        try:
            return not await self.hear(0.1)
        except TimeoutError:
            return True

    def leave(self) -> None:
        self.writer.close()


async def in_line(door: Door, count: int) -> None:
    """Wait until so many users have the turn or wait for it."""
    while len(door._waiting) + (door._holder is not None) < count:  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.01)


def at_door(scene: Callable[[Door, Callable[..., Awaitable[User]]], Awaitable[None]], **settings: float) -> None:
    async def run() -> None:
        door = Door("secret", **{"grace": 60.0, **settings})
        listener = await asyncio.start_server(door.serve, "127.0.0.1", 0)
        users: list[User] = []

        async def enter(token: str = "secret") -> User:
            user = User(*await asyncio.open_connection(*listener.sockets[0].getsockname()))
            users.append(user)
            await user.say(token)
            return user

        door.watch()
        async with listener:
            await scene(door, enter)
            for user in users:
                user.leave()
            while door.leases:  # noqa: ASYNC110 - a test looks from outside
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_only_who_knows_the_token_gets_a_lease() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        assert (await (await enter()).hear()).startswith("hello ")
        for wrong in ("secrets", "", "GET / HTTP/1.1", "x" * 100_000):
            assert await (await enter(wrong)).hear() == ""
        assert door.leases == 1

    at_door(scene)


def test_turns_are_given_one_at_a_time_in_the_order_of_asking() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        users = [await enter() for _ in range(3)]
        for number, user in enumerate(users, start=1):
            await user.hear()
            await user.say("turn")
            await in_line(door, number)
        for user, later in zip(users, [*users[1:], None], strict=True):
            assert await user.hear() == "go"
            assert later is None or await later.hears_nothing()
            await user.say("done")

    at_door(scene)


def test_a_turn_ends_with_its_lease_and_so_does_waiting_for_one() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        holder, waiter, last = [await enter() for _ in range(3)]
        for number, user in enumerate((holder, waiter, last), start=1):
            await user.hear()
            await user.say("turn")
            await in_line(door, number)
        assert await holder.hear() == "go"
        waiter.leave()
        assert await last.hears_nothing()
        holder.leave()
        assert await last.hear() == "go"

    at_door(scene)


def test_a_turn_that_never_ends_is_taken_back() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        holder, waiter = await enter(), await enter()
        for user in (holder, waiter):
            await user.hear()
            await user.say("turn")
            await asyncio.sleep(0.02)
        assert [await holder.hear(), await waiter.hear()] == ["go", "go"]

    at_door(scene, turn_limit=0.1)


def test_done_without_a_turn_changes_nothing() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        holder, other = await enter(), await enter()
        await other.hear()
        await holder.hear()
        await holder.say("turn")
        assert await holder.hear() == "go"
        await other.say("done")
        await other.say("turn")
        assert await other.hears_nothing()

    at_door(scene)


class Deaf:
    """What is said to a user who does not listen."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


def test_the_grace_period_begins_when_the_last_user_leaves_and_ends_with_a_new_one() -> None:
    async def ended_while_there(door: Door, seconds: float) -> bool:
        """Whether the door is ended while a user comes, stays so long, and leaves."""
        reader = asyncio.StreamReader()
        reader.feed_data(b"secret\n")
        serving = asyncio.create_task(door.serve(reader, cast("asyncio.StreamWriter", Deaf())))
        await asyncio.sleep(seconds)
        ended = door.ended.is_set()
        reader.feed_eof()
        await serving
        return ended

    async def run() -> None:
        door = Door("secret", grace=1.0)
        door.watch(at_least=3.0)
        await asyncio.sleep(2.9)
        assert not await ended_while_there(door, 5.0)
        await asyncio.sleep(0.9)
        assert not await ended_while_there(door, 5.0)
        await asyncio.sleep(0.9)
        assert not door.ended.is_set()
        await asyncio.sleep(0.2)
        assert door.ended.is_set()

    simulate(run())


def test_a_server_that_nobody_ever_used_ends_too() -> None:
    async def scene(door: Door, enter: Callable[..., Awaitable[User]]) -> None:
        await asyncio.wait_for(door.ended.wait(), 60)

    at_door(scene, grace=0.05)


def test_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    write_state(tmp_path / "s.json", STATE)
    assert read_state(tmp_path / "s.json") == STATE
    assert stat.S_IMODE((tmp_path / "s.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": 1}', "{", "\x00"])
def test_a_damaged_state_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    assert read_state(tmp_path / "s.json") is None


def test_a_server_removes_its_own_state_and_nobody_elses(tmp_path: Path) -> None:
    path, other = tmp_path / "s.json", replace(STATE, pid=2, token="u")
    write_state(path, other)
    forget_state(path, STATE)
    assert read_state(path) == other
    with exclusive(lock_of(path), timeout=0):  # somebody is starting a server: leave the file to them
        forget_state(path, other)
    assert read_state(path) == other
    forget_state(path, other)
    assert not path.exists()
