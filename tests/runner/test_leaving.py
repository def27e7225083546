"""A model that does not answer is left alone, and holds nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from promptops.errors import FailureKind
from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey
from promptops.runner.leaving import MOST_FAILED, MOST_REFUSED, Leaving

Answers = Callable[[str, int], "FailureKind | None"]


class Asked:
    """Answers by model and number of the sample; counts what is in flight."""

    def __init__(self, answers: Answers) -> None:
        self._answers, self.flying, self.peak, self.closed = answers, dict[str, int](), dict[str, int](), False
        self.asked: list[tuple[str, int]] = []

    async def sample(self, planned: PlannedSample) -> Sample:
        model, number = planned.key.pin, planned.key.index
        self.asked.append((model, number))
        self.flying[model] = self.flying.get(model, 0) + 1
        self.peak[model] = max(self.peak.get(model, 0), self.flying[model])
        for _ in range(3):
            await asyncio.sleep(0)
        self.flying[model] -= 1
        kind = self._answers(model, number)
        if kind is None:
            return Sample(planned.key, planned.digest, reply=Reply("ok"))
        return Sample(planned.key, planned.digest, failure=Failure(kind, f"{kind} of {model}"))

    def stop(self) -> None:
        pass

    async def aclose(self) -> None:
        self.closed = True


def planned(model: str, number: int) -> PlannedSample:
    pin = Pin.parse(model)
    return PlannedSample(SampleKey("p", "v1", model, "c", number), Request(pin, (Message("user", "hi"),)), "d")


def ask(answers: Answers, models: Sequence[str], count: int) -> tuple[Asked, list[Sample], list[Pin]]:
    asked, left = Asked(answers), list[Pin]()

    async def run() -> list[Sample]:
        leaving = Leaving(asked, left.append)
        plans = [planned(model, number) for number in range(count) for model in models]
        samples = await asyncio.gather(*map(leaving.sample, plans))
        await leaving.aclose()
        return list(samples)

    return asked, asyncio.run(run()), left


@pytest.mark.parametrize(
    ("kind", "most"), [("not_found", MOST_FAILED), ("server", MOST_FAILED), ("request", MOST_REFUSED)]
)
def test_a_model_that_never_answers_is_left_alone_and_says_why(kind: FailureKind, most: int) -> None:
    asked, samples, left = ask(lambda model, _: kind if model == "a/bad" else None, ["a/bad", "a/good"], 40)
    assert sum(model == "a/bad" for model, _ in asked.asked) == most
    assert sum(sample.reply is not None for sample in samples) == 40
    assert left == [Pin("a", "bad")]
    failed = [sample.failure for sample in samples if sample.failure]
    assert {failure.kind for failure in failed} == {kind}
    assert failed[-1].message.startswith(f"not asked any more: {most} samples in a row failed")
    assert asked.closed


def test_one_sample_goes_first_and_the_others_follow_together() -> None:
    asked, _, _ = ask(lambda *_: None, ["a/m"], 20)
    assert asked.peak["a/m"] == 19
    assert asked.asked[0] == ("a/m", 0)
    asked, _, _ = ask(lambda *_: "server", ["a/m"], 20)
    assert asked.peak["a/m"] == 1


def test_single_failures_leave_nobody_alone() -> None:
    asked, samples, left = ask(lambda _, number: "timeout" if number % 5 == 4 else None, ["a/m"], 60)
    assert (len(asked.asked), left) == (60, [])
    assert sum(sample.failure is not None for sample in samples) == 12


@pytest.mark.parametrize("kind", ["budget", "template"])
def test_what_is_not_the_models_fault_is_not_held_against_it(kind: FailureKind) -> None:
    asked, _, left = ask(lambda *_: kind, ["a/m"], 30)
    assert (len(asked.asked), left) == (30, [])


def test_what_waits_ends_as_cancelled_when_it_is_stopped() -> None:
    async def run() -> list[Sample]:
        leaving = Leaving(Asked(lambda *_: None))
        tasks = [asyncio.ensure_future(leaving.sample(planned("a/m", number))) for number in range(3)]
        await asyncio.sleep(0)
        leaving.stop()
        return list(await asyncio.gather(*tasks))

    first, *others = asyncio.run(run())
    assert first.reply is not None
    assert [sample.failure and sample.failure.kind for sample in others] == ["cancelled", "cancelled"]
