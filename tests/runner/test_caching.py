"""Identical requests are asked once; copies say so; memory stays flat; a cache that breaks changes nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import tracemalloc
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from promptops.errors import FailureKind, StoreError, UsageError
from promptops.models import Failure, PlannedSample, Reply, Sample, SampleKey
from promptops.runner import caching as module
from promptops.runner.caching import CachingAsker
from promptops.runner.shelf import Shelf
from promptops.runner.shelves import Shelves
from promptops.runner.sinks import RecordingSink
from promptops.runner.tally import Tally
from promptops.store.cache import CacheStats
from promptops.store.cache_sqlite import SqliteCache
from tests.runner.fakes import PIN, Asker, planned

T = TypeVar("T")
NOW = "2026-11-22T07:15:00Z"


def twin(number: int, *, of: int = 0, index: int = 0, timed: bool = False) -> PlannedSample:
    """Another case whose request is that of case `of`."""
    key = SampleKey("greet", "v1", str(PIN), f"c{number}", index)
    return PlannedSample(key, planned(of).request, planned(of).digest, timed=timed)


def answer(wanted: PlannedSample, text: str = "live", **reply: Any) -> Sample:
    made = Reply(text, served_model=PIN.model, latency=0.25, **reply)
    return Sample(wanted.key, wanted.digest, made, cost=0.01, recorded_at=NOW)


def failed(wanted: PlannedSample, kind: FailureKind) -> Sample:
    return Sample(wanted.key, wanted.digest, failure=Failure(kind, "told"))


def older() -> Shelf:
    return Shelf(SqliteCache(None, ttl=1e9, max_bytes=1 << 30))


def shelves(kept: Shelf | None = None, **changes: Any) -> Shelves:
    plain = Shelves(lambda _: "here", lambda _, served: served == PIN.model, lambda sample: sample, older, kept)
    return replace(plain, **changes)


def in_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(work())


def ask(asker: Asker, *wanted: PlannedSample, on: Shelves | None = None, together: bool = True) -> list[Sample]:
    """Ask for samples through a cache, all at once or one after the other."""

    async def work() -> list[Sample]:
        cached = CachingAsker(asker, on or shelves())
        try:
            if together:
                return list(await asyncio.gather(*(cached.sample(each) for each in wanted)))
            return [await cached.sample(each) for each in wanted]
        finally:
            await cached.aclose()

    return in_loop(work)


# --- within a run


@pytest.mark.parametrize("together", [True, False])
def test_identical_requests_are_asked_once_and_the_others_are_copies(together: bool) -> None:
    asker = Asker(0.01, answer)
    found = ask(asker, twin(0), twin(1), twin(2), together=together)
    assert asker.asked == ["c0"]
    assert [sample.source for sample in found] == ["live", "cached", "cached"]
    assert [sample.key.case for sample in found] == ["c0", "c1", "c2"]
    assert {sample.reply for sample in found} == {found[0].reply}
    assert {(sample.cost, sample.recorded_at, sample.attempts, sample.digest) for sample in found[1:]} == {
        (0.01, NOW, (), None)
    }


@pytest.mark.parametrize(
    "other",
    [twin(1, index=1), twin(1, of=1), twin(1, timed=True)],
    ids=["another sample index", "another request", "its latency is judged"],
)
def test_what_is_not_identical_or_must_be_measured_is_asked(other: PlannedSample) -> None:
    asker = Asker(0.01, answer)
    found = ask(asker, twin(0), other)
    assert asker.asked == ["c0", "c1"]
    assert [sample.source for sample in found] == ["live", "live"]


@pytest.mark.parametrize("kind", ["timeout", "rate_limit", "server", "connection", "outage", "budget", "bad_reply"])
def test_after_a_failure_that_can_pass_the_next_one_asks_itself(kind: FailureKind) -> None:
    asker = Asker(0.01, lambda wanted: failed(wanted, kind) if wanted.key.case == "c0" else answer(wanted))
    found = ask(asker, twin(0), twin(1), twin(2))
    assert asker.asked == ["c0", "c1"]
    assert [sample.failure is not None for sample in found] == [True, False, False]
    assert [sample.source for sample in found] == ["live", "live", "cached"]


@pytest.mark.parametrize("kind", ["auth", "not_found", "request"])
@pytest.mark.parametrize("together", [True, False])
def test_a_failure_that_no_repetition_can_mend_is_met_once(kind: FailureKind, together: bool) -> None:
    asker = Asker(0.01, lambda wanted: failed(wanted, kind))
    found = ask(asker, twin(0), twin(1), together=together)
    assert asker.asked == ["c0"]
    assert [sample.failure and sample.failure.kind for sample in found] == [kind, kind]
    assert found[1].key.case == "c1"


def test_where_the_first_is_cancelled_the_next_one_asks() -> None:
    asker = Asker(0.02, answer)

    async def work() -> Sample:
        cached = CachingAsker(asker, shelves())
        first, second = (asyncio.create_task(cached.sample(twin(n))) for n in (0, 1))
        await asyncio.sleep(0)
        first.cancel()
        sample = await second
        await cached.aclose()
        return sample

    assert in_loop(work).source == "live"
    assert asker.asked == ["c0", "c1"]


def test_a_copy_that_is_cancelled_takes_nothing_from_the_others() -> None:
    asker = Asker(0.02, answer)

    async def work() -> list[Sample]:
        cached = CachingAsker(asker, shelves())
        tasks = [asyncio.create_task(cached.sample(twin(n))) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        samples = [await tasks[0], await tasks[2]]
        await cached.aclose()
        return samples

    assert [sample.source for sample in in_loop(work)] == ["live", "cached"]
    assert asker.asked == ["c0"]


def test_an_error_that_is_no_failure_reaches_everybody() -> None:
    def refuse(wanted: PlannedSample) -> Sample:
        raise UsageError("no provider of that name")

    async def work() -> list[object]:
        cached = CachingAsker(Asker(0.01, refuse), shelves())
        return list(await asyncio.gather(*(cached.sample(twin(n)) for n in range(3)), return_exceptions=True))

    assert [type(found) for found in in_loop(work)] == [UsageError] * 3


def test_it_closes_what_it_asks() -> None:
    asker = Asker()
    ask(asker, twin(0))
    assert asker.closed


def test_copies_far_apart_are_found_in_the_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    asker = Asker(0.0, lambda wanted: answer(wanted, f"text of {wanted.key.case}"))
    wanted = [*(planned(n) for n in range(500)), *(twin(1000 + n, of=n) for n in range(500))]
    found = ask(asker, *wanted, together=False)
    assert len(asker.asked) == 500
    assert [sample.source for sample in found[500:]] == ["cached"] * 500
    assert [s.reply.text for s in found[500:] if s.reply] == [f"text of c{n}" for n in range(500)]


def test_what_goes_to_the_temporary_file_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 1)
    asker = Asker(0.0, lambda wanted: answer(wanted, "the key is sk-123"))

    def redacted(sample: Sample) -> Sample:
        return replace(sample, reply=sample.reply and replace(sample.reply, text="the key is [redacted]"))

    found = ask(asker, planned(0), planned(1), twin(9, of=0), on=shelves(redacted=redacted), together=False)
    assert [sample.reply and sample.reply.text for sample in found][1:] == [
        "the key is sk-123",
        "the key is [redacted]",
    ]


def test_long_replies_leave_memory_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_TEXT", 1000)

    async def work() -> int:
        cached = CachingAsker(Asker(0.0, lambda wanted: answer(wanted, "x" * 300)), shelves())
        for number in range(10):
            await cached.sample(planned(number))
        held = len(cached._memory._held)
        await cached.aclose()
        return held

    assert in_loop(work) == 3


def test_memory_is_flat_however_many_different_requests_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 replies of 4,000 characters are 12 MB; what stays in memory is bounded by number and by length."""
    monkeypatch.setattr(module, "REMEMBERED", 100)
    asker = Asker(0.0, lambda wanted: answer(wanted, wanted.key.case.ljust(4000)))

    async def work() -> int:
        cached = CachingAsker(asker, shelves())
        for number in range(3_000):
            if number == 1_000:
                tracemalloc.start()  # by now everything is there that stays
            await cached.sample(planned(number))
            asker.asked.clear()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await cached.aclose()
        return peak

    assert in_loop(work) < 5_000_000


# --- across runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def kept(path: Path) -> Callable[[], Shelf]:
    return lambda: Shelf(SqliteCache(path, ttl=3600.0, max_bytes=10_000_000))


def test_a_second_run_copies_what_the_first_one_measured(kept: Callable[[], Shelf]) -> None:
    ask(Asker(0.0, answer), *(planned(n) for n in range(300)), on=shelves(kept()))
    asker = Asker(0.0, answer)
    found = ask(asker, *(planned(n) for n in range(310)), on=shelves(kept()))
    assert asker.asked == [f"c{n}" for n in range(300, 310)]
    assert {sample.source for sample in found[:300]} == {"cached"}
    assert found[7] == Sample(planned(7).key, planned(7).digest, found[7].reply, None, "cached", 0.01, NOW)


def test_a_run_that_measures_afresh_fills_the_cache_and_finds_nothing_in_it(kept: Callable[[], Shelf]) -> None:
    ask(Asker(0.0, lambda wanted: answer(wanted, "old")), planned(0), on=shelves(kept()))
    fresh = Asker(0.0, lambda wanted: answer(wanted, "new"))
    ask(fresh, planned(0), on=shelves(kept(), reads=False))
    assert fresh.asked == ["c0"]
    (found,) = ask(Asker(0.0, answer), planned(0), on=shelves(kept()))
    assert found.reply is not None
    assert found.reply.text == "new"


def test_the_cache_of_one_endpoint_does_not_answer_for_another(kept: Callable[[], Shelf]) -> None:
    ask(Asker(0.0, answer), planned(0), on=shelves(kept(), place=lambda _: "https://one.example"))
    asker = Asker(0.0, answer)
    ask(asker, planned(0), on=shelves(kept(), place=lambda _: "https://two.example"))
    assert asker.asked == ["c0"]


@pytest.mark.parametrize(
    "made",
    [
        lambda wanted: failed(wanted, "timeout"),
        lambda wanted: failed(wanted, "request"),
        lambda wanted: answer(wanted, endpoint="the-other-one"),
        lambda wanted: replace(answer(wanted), reply=Reply("x", served_model="another-model")),
    ],
    ids=["a failure", "a final failure", "another endpoint's reply", "another model's reply"],
)
def test_only_replies_of_the_endpoint_and_the_model_are_kept(
    made: Callable[[PlannedSample], Sample], kept: Callable[[], Shelf]
) -> None:
    ask(Asker(0.0, made), planned(0), on=shelves(kept()))
    asker = Asker(0.0, answer)
    ask(asker, planned(0), on=shelves(kept()))
    assert asker.asked == ["c0"]


def test_copies_are_kept_no_second_time(path: Path) -> None:
    """A copy must not make the reply that it copies younger."""
    clock = [1000.0]

    def shelf() -> Shelf:
        return Shelf(SqliteCache(path, ttl=100.0, max_bytes=10_000_000, now=lambda: clock[0]))

    ask(Asker(0.0, answer), planned(0), on=shelves(shelf()))
    clock[0] += 60
    ask(Asker(0.0, answer), planned(0), on=shelves(shelf()))
    clock[0] += 60
    asker = Asker(0.0, answer)
    ask(asker, planned(0), on=shelves(shelf()))
    assert asker.asked == ["c0"]


def test_what_is_kept_is_redacted(kept: Callable[[], Shelf], path: Path) -> None:
    def redacted(sample: Sample) -> Sample:
        return replace(sample, reply=sample.reply and replace(sample.reply, text="[redacted]"))

    ask(Asker(0.0, lambda wanted: answer(wanted, "sk-secret")), planned(0), on=shelves(kept(), redacted=redacted))
    written = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    assert b"[redacted]" in written
    assert b"sk-secret" not in written


# --- a cache that breaks


@dataclass
class Broken:
    """A cache that fails, or hangs until it is told to go on."""

    fails: frozenset[str] = frozenset()
    hangs: threading.Event | None = None
    calls: list[str] = field(default_factory=list)
    where: str = "the broken one"

    def _do(self, what: str) -> None:
        self.calls.append(what)
        if self.hangs is not None:
            self.hangs.wait(30)
        if what in self.fails:
            raise StoreError(f"{self.where} cannot be used as a cache: no")

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        self._do("get")
        return {}

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        self._do("put")

    def stats(self) -> CacheStats:
        raise NotImplementedError

    def clear(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize("operation", ["get", "put"])
def test_a_cache_that_fails_is_one_warning_and_the_run_goes_on(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache, asker = Broken(frozenset([operation])), Asker(0.0, answer)
    with caplog.at_level(logging.WARNING, "promptops"):
        found = ask(asker, *(planned(n) for n in range(200)), on=shelves(Shelf(cache)), together=False)
    assert len(asker.asked) == len(found) == 200
    assert [record.getMessage() for record in caplog.records] == [
        "the broken one cannot be used as a cache: no; this run goes on without the cache"
    ]
    assert cache.calls.count(operation) == 1
    assert cache.calls[-1] == "close"


def test_a_cache_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    hanging = threading.Event()
    cache, asker = Broken(hangs=hanging), Asker(0.0, answer)

    async def work() -> list[Sample]:
        cached = CachingAsker(asker, shelves(Shelf(cache, patience=0.05)))
        found = [await cached.sample(planned(n)) for n in range(20)]
        hanging.set()
        await cached.aclose()
        return found

    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "promptops"):
        assert len(in_loop(work)) == len(asker.asked) == 20
    assert time.monotonic() - began < 20
    assert [record.getMessage() for record in caplog.records] == [
        "the broken one did not answer for 0.05 s; this run goes on without the cache"
    ]


def test_closing_does_not_wait_for_a_cache_that_hangs_longer_than_it_is_given() -> None:
    hanging = threading.Event()

    async def work() -> None:
        cached = CachingAsker(Asker(0.0, answer), shelves(Shelf(Broken(hangs=hanging)), reads=False))
        await cached.sample(planned(0))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cached.aclose(), 0.05)

    in_loop(work)
    hanging.set()


def test_entries_that_somebody_poisoned_are_asked_again(kept: Callable[[], Shelf], path: Path) -> None:
    ask(Asker(0.0, answer), *(planned(n) for n in range(3)), on=shelves(kept()))
    cache = SqliteCache(path, ttl=3600.0, max_bytes=10_000_000)
    connection = cache._opened()
    values = [row[0] for row in connection.execute("SELECT value FROM replies ORDER BY rowid")]
    poisons = (b"\x80\x04garbage", values[0], values[2].replace(b'"model-1"', b'"model-2"'))
    for row, value in zip((1, 2, 3), poisons, strict=True):
        connection.execute("UPDATE replies SET value = ? WHERE rowid = ?", (value, row))
    cache.close()
    asker = Asker(0.0, answer)
    found = ask(asker, *(planned(n) for n in range(3)), on=shelves(kept()))
    assert sorted(asker.asked) == ["c0", "c1", "c2"]
    assert {sample.source for sample in found} == {"live"}


# --- what becomes of a copy


@pytest.mark.parametrize(
    ("copy", "counted", "written"),
    [
        (Sample(planned(0).key, "", Reply("x"), source="cached"), (0, 0, 1), True),
        (Sample(planned(0).key, "", Reply("x"), source="cached", digest="sha256:1"), (0, 1, 0), False),
        (Sample(planned(0).key, "", Reply("x"), source="recorded", digest="sha256:1"), (0, 1, 0), False),
        (Sample(planned(0).key, "", Reply("x")), (1, 0, 0), True),
        (Sample(planned(0).key, "", failure=Failure("request", "no"), source="cached"), (0, 0, 0), False),
    ],
    ids=["a copy", "a recorded copy", "a recording", "a reply", "a copied failure"],
)
def test_a_copy_is_counted_and_recorded_once_and_costs_nothing(
    copy: Sample, counted: tuple[int, int, int], written: bool, tmp_path: Path
) -> None:
    tally = Tally()
    tally.count(replace(copy, cost=0.5))
    assert (tally.asked, tally.recorded, tally.cached) == counted
    assert tally.cost == (0.5 if copy.source == "live" else 0.0)
    assert RecordingSink(lambda _: tmp_path).wants(copy) is written
