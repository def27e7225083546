"""Judges: prompts that grade the output of another. What is asked of them, how answers are read, when they gate.

What is judged is hostile text: it reaches the judge as the value of a variable, which can open no message, and what the
judge answers counts only where it is exactly what it was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from promptops.core.digest import request_digest, sha256_of, short_digest
from promptops.core.json_text import parse_strictly
from promptops.errors import PromptopsError
from promptops.formats import PROMPT_NAME_PATTERN, VERSION_PATTERN, Closure
from promptops.models import Case, CheckSpec, Failure, Json, Pin, PlannedSample, Sample, SampleKey

if TYPE_CHECKING:
    from promptops.core.plan import Planned

THRESHOLD: Final = 0.5
"""The least score that passes, where a check names none."""
OPTIONS: Final = ("prompt", "threshold", "against")
MAX_REASON: Final = 2_000  # characters of a judge's reason that are kept

Side = Literal["first", "second", "tie"]
_REFERENCE = re.compile(
    f"(?P<prompt>{PROMPT_NAME_PATTERN.strip('^$')})(@(?P<version>{VERSION_PATTERN.strip('^$')}))?\\Z"
)


class Asked(Struct, frozen=True):
    """What a `judge` check asks. `version` is empty for the judge's newest released one.

    `compares`: the output beside the case's `expected`, in both orders; otherwise the output alone is graded.
    """

    prompt: str
    version: str = ""
    threshold: float = THRESHOLD
    compares: bool = False

    @property
    def name(self) -> str:
        """`polite@v2`, or `polite`."""
        return f"{self.prompt}@{self.version}" if self.version else self.prompt


class Judge(Struct, frozen=True):
    """One version of a prompt that judges. `digest` is that of its closure, pin included.

    `advises` says why it may not gate; empty: it gates. `calibration` is the digest of the evidence that lets it.
    """

    closure: Closure
    digest: str
    advises: str = ""
    calibration: str = ""

    @property
    def name(self) -> str:
        """`polite@v2`."""
        return f"{self.closure.prompt}@{self.closure.version}"

    @property
    def pin(self) -> Pin:
        return Pin.parse(self.closure.model)


class Grade(Struct, frozen=True):
    """What a judge says of one output: a score from 0 to 1, whether that passes, and why.

    `flipped`: asked in both orders it contradicted itself, which counts as a tie.
    """

    score: float
    passed: bool
    reason: str
    flipped: bool = False


def problems(options: Json) -> Iterator[str]:
    """What is wrong with the value behind `judge`."""
    given: Mapping[str, Any] = options if isinstance(options, dict) else {"prompt": options}
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or not _REFERENCE.match(prompt):
        yield "names a prompt of the repository: polite, polite@v2, or {prompt: polite@v2, threshold: 0.7}"
    threshold = given.get("threshold", THRESHOLD)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        yield "threshold is a number above 0, at most 1: the least score that passes"
    if given.get("against", "expected") != "expected":
        yield "against: expected is all that an output can be compared with"


def parse_asked(options: Json) -> Asked:
    """Read the value behind `judge`, in which nothing is wrong."""
    given: Mapping[str, Any] = options if isinstance(options, dict) else {"prompt": options}
    match = _REFERENCE.match(str(given["prompt"]))
    assert match is not None
    threshold = float(given.get("threshold", THRESHOLD))
    return Asked(match["prompt"], match["version"] or "", threshold, given.get("against") == "expected")


def judges_named(checks: Iterable[CheckSpec]) -> tuple[Asked, ...]:
    """What the `judge` checks among `checks` ask, each once."""
    return tuple(dict.fromkeys(parse_asked(spec.options) for spec in checks if spec.name == "judge"))


def measured(judges: Mapping[Asked, Judge]) -> dict[str, Json]:
    """What a measurement says of its judges: another version, pin or calibration judges otherwise."""
    return {
        f"{asked.name} {asked.threshold:g}{' compares' if asked.compares else ''}": [judge.digest, judge.calibration]
        for asked, judge in judges.items()
    }


# --- asking


def plan_judging(judge: Judge, asked: Asked, sample: Sample, case: Case) -> list[Planned]:
    """What the judge is asked about a sample that has a reply: one request, or two where it compares.

    Where its template cannot be rendered, each is that failure.
    """
    from promptops.core.closure import request_for

    keys = judging_keys(judge, asked, sample.key)
    planned: list[Planned] = []
    if asked.compares and not case.has_expected:
        return planned
    for key, inputs in zip(keys, _inputs(asked, sample, case), strict=True):
        try:
            request = request_for(judge.closure, inputs)
            planned.append(PlannedSample(key, request, request_digest(request)))
        except (PromptopsError, ValueError) as error:
            hint = f"promptops render {judge.name}"
            planned.append(Sample(key, "", failure=Failure("template", f"{judge.name}: {error}", hint)))
    return planned


def judging_keys(judge: Judge, asked: Asked, key: SampleKey) -> list[SampleKey]:
    """The keys of the judge's answers about the sample `key`: one, or two where it compares.

    They are samples of the judged prompt, in a recordings folder of their own: `v2.polite.v1.1a2b3c4d`.
    """
    told = short_digest(sha256_of({"judge": judge.digest, "pin": key.pin, "compares": asked.compares}))[:8]
    version = f"{key.version}.{judge.closure.prompt}.{judge.closure.version}.{told}"
    orders = range(2) if asked.compares else range(1)
    each = len(orders)
    return [SampleKey(key.prompt, version, str(judge.pin), key.case, key.index * each + order) for order in orders]


def _inputs(asked: Asked, sample: Sample, case: Case) -> list[dict[str, Json]]:
    """What a judge's template may use; what it does not use is left out."""
    output = sample.reply.text if sample.reply is not None else ""
    given: dict[str, Json] = {"inputs": dict(case.inputs)}
    if case.has_expected:
        given["expected"] = _text(case.expected)
    if not asked.compares:
        return [{**given, "output": output}]
    expected = _text(case.expected)
    return [{**given, "first": output, "second": expected}, {**given, "first": expected, "second": output}]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- reading answers


def grade_of(asked: Asked, answers: Sequence[str]) -> Grade:
    """Read the answers of a judge; raises `ValueError` for one that is not exactly what it was asked for."""
    if not asked.compares:
        return parse_grade(answers[0], threshold=asked.threshold)
    sides = [parse_choice(answer) for answer in answers]
    wins = [_output_wins(side, order) for order, (side, _) in enumerate(sides)]
    score = wins[0] if wins[0] == wins[1] else 0.5
    reason = sides[0][1]
    if wins[0] != wins[1]:
        reason = f"it contradicts itself when the order is changed, a tie: {sides[0][1]} / {sides[1][1]}"
    return Grade(score, score >= asked.threshold, reason[:MAX_REASON], flipped=wins[0] != wins[1])


def parse_grade(text: str, *, threshold: float = THRESHOLD) -> Grade:
    """Read `{"score": 0.8, "reason": "…"}` or `{"pass": true, "reason": "…"}`; raises `ValueError` for all else."""
    value = _object(text)
    said = {"score", "pass"} & value.keys()
    if len(said) != 1:
        raise ValueError("it has to have either `score` or `pass`")
    reason = _reason(value, said.pop())
    if "pass" in value:
        if not isinstance(value["pass"], bool):
            raise ValueError("`pass` is true or false")
        return Grade(float(value["pass"]), value["pass"], reason)
    score = value["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError("`score` is a number from 0 to 1")
    return Grade(float(score), score >= threshold, reason)


def parse_choice(text: str) -> tuple[Side, str]:
    """Read `{"winner": "first" | "second" | "tie", "reason": "…"}`; raises `ValueError` for anything else."""
    value = _object(text)
    if "winner" not in value:
        raise ValueError("it has to have `winner`")
    reason, winner = _reason(value, "winner"), value["winner"]
    for side in ("first", "second", "tie"):
        if winner == side:
            return side, reason
    raise ValueError('`winner` is "first", "second" or "tie"')


def _output_wins(side: Side, order: int) -> float:
    """1 where the output won, 0 where what was expected did; the output stands first in order 0."""
    return 0.5 if side == "tie" else float((side == "first") == (order == 0))


def _object(text: str) -> dict[str, Any]:
    try:
        found = parse_strictly(text.strip())
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON, or not JSON alone") from None
    if not isinstance(found.value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - of a text, not of an argument
    if found.repairs:
        raise ValueError(found.repairs[0])
    return found.value


def _reason(value: dict[str, Any], said: str) -> str:
    if further := sorted(value.keys() - {said, "reason"}):
        raise ValueError(f"it has {further[0][:80]!r}, which nobody asked for")
    if not isinstance(value.get("reason"), str) or not value["reason"].strip():
        raise ValueError("it has to have a `reason`, in words")
    return str(value["reason"])[:MAX_REASON]
