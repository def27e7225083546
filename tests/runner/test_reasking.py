"""Asking again around an asker: counts, sums, attempts, failures on the way."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from promptops.core.contract import JsonSchemaContract
from promptops.core.user_calls import call_user
from promptops.errors import FailureKind
from promptops.models import Attempt, Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.runner.caching import CachingAsker
from promptops.runner.reasking import ReaskingAsker, Rules
from promptops.runner.shelf import Shelf
from promptops.runner.shelves import Shelves
from tests.runner.fakes import Asker

PIN = Pin("test", "model-1")
CONTRACT = JsonSchemaContract({"type": "object", "required": ["n"]})
ALL = {("count", "v1", str(PIN)): Rules(CONTRACT)}


def planned(reask: int = 2) -> PlannedSample:
    request = Request(PIN, (Message("user", "three"),))
    return PlannedSample(SampleKey("count", "v1", str(PIN), "c1"), request, "sha256:" + "0" * 64, reask=reask)


def answering(*texts: str | FailureKind) -> Callable[[PlannedSample], Sample]:
    """Answer with one text after the other; `timeout` is a failure."""
    left = list(texts)

    def answer(wanted: PlannedSample) -> Sample:
        text = left.pop(0)
        attempts = (Attempt("test", 0.0, 0.25, "timeout" if text == "timeout" else None),)
        if text == "timeout":
            return Sample(wanted.key, wanted.digest, failure=Failure("timeout", "late"), attempts=attempts)
        reply = Reply(text, "stop", Usage(10, 5), latency=0.25, first_token=len(left) + 1.0)
        return Sample(wanted.key, wanted.digest, reply=reply, cost=0.5, attempts=attempts)

    return answer


def asked(asker: Asker, wanted: PlannedSample, rules: Rules | None = None) -> Sample:
    side = ("count", "v1", str(PIN))
    around = ReaskingAsker(asker, {side: rules or ALL[side]}, lambda sample: sample)
    return asyncio.run(around.sample(wanted))


@pytest.mark.parametrize(
    ("texts", "reask", "requests", "text"),
    [
        (['{"n": 1}'], 2, 1, '{"n": 1}'),
        (["no", '{"n": 1}'], 2, 2, '{"n": 1}'),
        (["no", "no", '{"n": 1}'], 2, 3, '{"n": 1}'),
        (["no", "no", "never"], 2, 3, "never"),
        (["no", "never"], 1, 2, "never"),
        (["no"], 0, 1, "no"),
    ],
)
def test_it_is_asked_until_it_is_valid_or_the_limit_is_reached(
    texts: list[str], reask: int, requests: int, text: str
) -> None:
    asker = Asker(answer=answering(*texts))
    sample = asked(asker, planned(reask))
    assert len(asker.asked) == requests
    assert sample.reply is not None
    assert sample.reply.text == text
    assert sample.reply.usage == Usage(10 * requests, 5 * requests)
    assert (sample.cost, sample.reply.latency, sample.reply.attempts) == (0.5 * requests, 0.25 * requests, requests)
    assert [attempt.turn for attempt in sample.attempts] == list(range(requests))
    assert [turn.text for turn in sample.earlier] == texts[: requests - 1]


def test_what_has_no_rules_is_asked_once() -> None:
    asker = Asker(answer=answering("no"))
    sample = asyncio.run(ReaskingAsker(asker, {}, lambda sample: sample).sample(planned()))
    assert (len(asker.asked), sample.earlier) == (1, ())


def test_the_first_token_is_that_of_the_first_answer() -> None:
    sample = asked(Asker(answer=answering("no", '{"n": 1}')), planned())
    assert sample.reply is not None
    assert sample.reply.first_token == 2.0


def test_a_failure_on_the_way_is_the_samples_and_keeps_what_was_spent() -> None:
    sample = asked(Asker(answer=answering("no", "timeout")), planned())
    assert sample.reply is None
    assert sample.failure == Failure("timeout", "late")
    assert (sample.cost, len(sample.earlier), len(sample.attempts)) == (0.5, 1, 2)


def test_a_sample_that_failed_on_the_way_goes_on_from_there() -> None:
    failed = asked(Asker(answer=answering("no", "timeout")), planned())
    asker = Asker(answer=answering("neither", '{"n": 1}'))
    sample = asked(asker, replace(planned(), begun=failed.earlier))
    assert len(asker.asked) == 2
    assert [turn.text for turn in sample.earlier] == ["no", "neither"]
    assert sample.reply is not None
    assert (sample.reply.usage, sample.cost) == (Usage(30, 15), 1.5)


def test_a_conversation_that_does_not_fit_any_more_is_not_sent() -> None:
    asker = Asker(answer=answering("no"))
    too_long = Failure("request", "too long")
    sample = asked(asker, planned(), Rules(CONTRACT, lambda request: too_long if len(request.messages) > 1 else None))
    assert (sample.failure, len(asker.asked)) == (too_long, 1)


def test_what_is_judged_and_sent_again_is_without_secrets() -> None:
    seen: list[PlannedSample] = []
    script = answering("no sk-123", '{"n": 1}')

    def answer(wanted: PlannedSample) -> Sample:
        seen.append(wanted)
        return script(wanted)

    def redacted(sample: Sample) -> Sample:
        assert sample.reply is not None
        return replace(sample, reply=replace(sample.reply, text=sample.reply.text.replace("sk-123", "[redacted]")))

    around = ReaskingAsker(Asker(answer=answer), ALL, redacted)
    sample = asyncio.run(around.sample(planned()))
    assert seen[1].request.messages[1].content == "no [redacted]"
    assert sample.earlier[0].text == "no [redacted]"


def test_each_request_of_a_conversation_is_cached_by_itself() -> None:
    asker = Asker(answer=answering("no", '{"n": 1}'))
    caching = CachingAsker(asker, Shelves(lambda _: "here", lambda *_: True, lambda sample: sample, _no_shelf))
    around = ReaskingAsker(caching, ALL, lambda sample: sample)

    async def both() -> list[Sample]:
        return [await around.sample(planned()), await around.sample(planned())]

    first, copy = asyncio.run(both())
    assert len(asker.asked) == 2
    assert (first.source, copy.source) == ("live", "cached")
    assert first.reply == copy.reply


def _no_shelf() -> Shelf:
    raise AssertionError


def test_prints_of_two_threads_leave_the_streams_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    before = sys.stdout
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        inside.set()
        leave.wait()

    thread = threading.Thread(target=call_user, args=(first,))
    thread.start()
    inside.wait()

    def second() -> None:
        leave.set()
        thread.join()  # the first leaves while the second is inside
        sys.stdout.write("from the second")

    call_user(second)
    assert sys.stdout is before
    assert "from the second" in said.getvalue()
