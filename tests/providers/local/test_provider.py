from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from promptops.errors import ModelFileError, ProviderError, UsageError
from promptops.models import Message, Pin, Reply, Request
from promptops.providers.local import open_local
from promptops.providers.local.catalog import CATALOG
from promptops.providers.local.launcher import Launcher
from promptops.providers.local.provider import LocalProvider, connect
from tests.providers.local.kit import FAKE_PROGRAM, Chat, ended_within, is_running, put_file, tiny_model

MODEL = tiny_model()
GRACE = 2.0
PLENTY = 60.0  # seconds, for what must not depend on how busy this machine is


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    put_file(MODEL, tmp_path)
    return Launcher(tmp_path, grace=GRACE, program=FAKE_PROGRAM)


def request(words: str = "hello") -> Request:
    return Request(MODEL.pin, (Message("user", words),))


def with_providers(launcher: Launcher, scene: Callable[..., Awaitable[None]], *, number: int = 1) -> None:
    """Run `scene` with so many providers, each as another process would have it."""

    async def run() -> None:
        providers = [LocalProvider(MODEL, launcher, Chat) for _ in range(number)]
        try:
            await scene(*providers)
        finally:
            for provider in providers:
                await provider.aclose()
                await provider.aclose()

    asyncio.run(run())


async def ask(provider: LocalProvider, words: str = "hello", seconds: float = PLENTY) -> Reply:
    deadline = asyncio.get_running_loop().time() + seconds
    return await provider.ask(request(words), seed=1, deadline=deadline)


async def asked(gate: Path) -> None:
    """Wait until the server has a request that waits for `gate`."""
    async with asyncio.timeout(PLENTY):
        while not gate.with_name(f"{gate.name}.asked").exists():  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.01)


def pid_of(launcher: Launcher) -> int:
    with launcher.lease(MODEL) as lease:
        return lease.state.pid


def test_the_first_request_starts_the_server_and_the_reply_names_the_pin(launcher: Launcher) -> None:
    async def scene(provider: LocalProvider) -> None:
        reply = await ask(provider)
        assert (reply.text, reply.served_model) == ("tiny", MODEL.model_id)

    with_providers(launcher, scene)
    assert ended_within(pid_of(launcher), PLENTY)


def test_it_takes_one_request_at_a_time_and_nobody_may_raise_that(launcher: Launcher) -> None:
    limits = LocalProvider(MODEL, launcher, Chat).limits()
    assert (limits.concurrency, limits.fixed) == (1, True)


def test_waiting_for_others_does_not_use_up_the_deadline(launcher: Launcher, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def scene(first: LocalProvider, second: LocalProvider) -> None:
        await asyncio.gather(ask(first), ask(second))
        slow = asyncio.ensure_future(ask(first, f"wait for {gate}"))
        await asked(gate)
        clock = asyncio.get_running_loop().time
        began = clock()
        waiting = asyncio.ensure_future(ask(second))
        await asyncio.sleep(0)  # it has begun
        await asyncio.sleep(2.0)
        assert not waiting.done()
        gate.touch()
        assert (await waiting).text == "tiny"
        assert slow.done()
        assert second._session is not None
        chat = second._session.chat
        assert isinstance(chat, Chat)
        assert chat.deadlines[-1] > PLENTY - (clock() - began - 2.0), "the two seconds are not its own"
        await slow

    with_providers(launcher, scene, number=2)


def test_one_request_that_takes_too_long_is_a_timeout_and_the_next_gets_its_turn(
    launcher: Launcher, tmp_path: Path
) -> None:
    async def scene(first: LocalProvider, second: LocalProvider) -> None:
        with pytest.raises(ProviderError) as caught:
            await ask(first, f"wait for {tmp_path / 'never'}", seconds=0.2)
        assert caught.value.kind == "timeout"
        assert (await ask(second)).text == "tiny"

    with_providers(launcher, scene, number=2)


def test_a_cancelled_request_gives_its_turn_back_waiting_or_not(launcher: Launcher, tmp_path: Path) -> None:
    never = tmp_path / "never"

    async def scene(first: LocalProvider, second: LocalProvider, third: LocalProvider) -> None:
        holder = asyncio.ensure_future(ask(first, f"wait for {never}"))
        await asked(never)
        waiter = asyncio.ensure_future(ask(second))
        await asyncio.sleep(0.1)
        for task in (waiter, holder):
            task.cancel()
        for task in (waiter, holder):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [(await ask(provider)).text for provider in (third, second, first)] == ["tiny"] * 3

    with_providers(launcher, scene, number=3)


def test_a_server_that_dies_before_the_request_is_replaced_unnoticed(launcher: Launcher) -> None:
    async def scene(provider: LocalProvider) -> None:
        await ask(provider)
        pid = pid_of(launcher)
        os.kill(pid, signal.SIGKILL)
        assert ended_within(pid, PLENTY)
        assert (await ask(provider)).text == "tiny"
        assert pid_of(launcher) != pid

    with_providers(launcher, scene)


def test_a_server_that_dies_within_the_request_is_a_connection_failure_and_the_next_works(launcher: Launcher) -> None:
    async def scene(provider: LocalProvider) -> None:
        with pytest.raises(ProviderError) as caught:
            await ask(provider, "die")
        assert caught.value.kind == "connection"
        assert (await ask(provider)).text == "tiny"

    with_providers(launcher, scene)


def test_closing_gives_the_lease_back(launcher: Launcher) -> None:
    before = Chat.closed

    async def scene(provider: LocalProvider) -> None:
        await ask(provider)
        pid = pid_of(launcher)
        before = asyncio.get_running_loop().time()
        await provider.aclose()
        assert is_running(pid) or asyncio.get_running_loop().time() - before >= GRACE
        assert await asyncio.to_thread(ended_within, pid, PLENTY)

    with_providers(launcher, scene)
    assert Chat.closed == before + 1


def test_cancelling_while_the_server_starts_leaves_no_lease_behind(launcher: Launcher) -> None:
    async def scene(provider: LocalProvider) -> None:
        task = asyncio.ensure_future(ask(provider))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with_providers(launcher, scene)
    assert ended_within(pid_of(launcher), PLENTY)


def test_without_the_model_the_error_says_what_to_run(tmp_path: Path) -> None:
    async def scene(provider: LocalProvider) -> None:
        with pytest.raises(ModelFileError, match="promptops models pull tiny"):
            await ask(provider)

    with_providers(Launcher(tmp_path, program=FAKE_PROGRAM), scene)


def test_a_pin_opens_the_model_it_names_if_the_model_is_here(tmp_path: Path) -> None:
    environ = {"PROMPTOPS_CACHE_DIR": str(tmp_path)}
    with pytest.raises(ModelFileError, match="promptops models pull smollm2-135m-instruct"):
        open_local(CATALOG[0].pin, environ)
    with pytest.raises(UsageError, match="does not say which file"):
        open_local(Pin("local", "smollm2-135m-instruct"), environ)


def test_the_wire_format_is_chat_completions_with_the_token_as_key(launcher: Launcher) -> None:
    async def run() -> Reply:
        provider = LocalProvider(MODEL, launcher, connect)
        try:
            return await ask(provider)
        finally:
            await provider.aclose()

    reply = asyncio.run(run())
    assert (reply.text, reply.served_model, reply.finish_reason) == ("tiny", MODEL.model_id, "stop")
    assert reply.latency > 0


def test_a_server_that_names_another_model_is_no_sample_of_the_pin(launcher: Launcher) -> None:
    async def run() -> None:
        provider = LocalProvider(MODEL, launcher, connect)
        other = Request(Pin("local", "tiny@000000000000"), (Message("user", "hello"),))
        try:
            await provider.ask(other, seed=None, deadline=asyncio.get_running_loop().time() + PLENTY)
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert caught.value.kind == "identity"
