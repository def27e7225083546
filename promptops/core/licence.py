"""Whether evidence lets a version into an environment: the policies `run`, `no-regression`, `shown-not-worse`. Pure.

Evidence counts only for exactly these digests: version and pin of the candidate, the measurement (dataset, checks,
contract), and version, digest and pin of what the environment serves now. Of several records that match, the last one
decides; and a canary that said REGRESS counts until a later one says PASS, which each attempt makes harder: asking a
noisy candidate again until it is merely INCONCLUSIVE must not let it in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Sized
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core.canary import pass_level
from promptops.core.digest import sha256_of, short_digest
from promptops.core.metrics import decided_by
from promptops.formats import CanaryEvidence, CanarySettings, Environment, Evidence, RunEvidence, Served, Side

Needs = Literal["", "run", "canary", "mend", "ack", "after"]

_SINGLY, _NAMED = 5, 12
_NO_HELP = "acknowledging does not help against the verdict"


class Licence(Struct, frozen=True):
    """What was found: `record` lets the version in when `missing` is empty.

    `acknowledged` are the broken cases that the user named, `unused` those named that are not broken, `attempts` how
    many canaries of exactly this comparison there are.
    """

    missing: tuple[str, ...] = ()
    record: RunEvidence | CanaryEvidence | None = None
    broken: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    attempts: int = 0
    needs: Needs = ""
    notices: tuple[str, ...] = ()

    @property
    def granted(self) -> bool:
        return not self.missing

    @property
    def evidence(self) -> str | None:
        """The digest by which the manifest names the record."""
        return sha256_of(self.record.model_dump(mode="json")) if self.record else None


class Claim(Struct, frozen=True):
    """Who wants in where: `candidate` as it is now, `measurement` today's digest, `serving` what it replaces.

    `known_failures` are cases whose failure is accepted in git, of the candidate or of what is served; `ahead` is
    what the environment named by `after` serves; `cases` is the whole dataset, `settings` are today's of a canary,
    `recorded` how the recordings of the candidate come out today.
    """

    prompt: str
    candidate: Side
    measurement: str
    environment: str
    policy: Environment
    serving: Served | None = None
    ahead: Served | None = None
    known_failures: Collection[str] = ()
    cases: Collection[str] = ()
    settings: CanarySettings | None = None
    recorded: Mapping[str, str] = field(default_factory=dict)


def licence(claim: Claim, evidence: Evidence, acknowledged: Collection[str] = ()) -> Licence:
    """Decide; a refusal lists everything that is missing at once."""
    first = claim.serving is None
    found = _by_run(claim, evidence, acknowledged) if first or claim.policy.require == "run" else None
    found = found or _by_canary(claim, evidence, acknowledged)
    if problem := _after(claim):
        return replace(found, missing=(problem, *found.missing), needs=found.needs or "after")
    return found


def broken_cases(record: RunEvidence | CanaryEvidence, known_failures: Collection[str] = ()) -> tuple[str, ...]:
    """The cases that a record shows broken, sorted.

    Of a canary those that the baseline passes and the candidate does not, of a run those that fail without being known.
    """
    if isinstance(record, CanaryEvidence):
        outcomes = record.outcomes.items()
        return tuple(sorted(c for c, o in outcomes if o.baseline == "pass" and o.candidate in ("fail", "error")))
    return tuple(sorted(c for c, o in record.outcomes.items() if o == "fail" and c not in known_failures))


def candidate_outcomes(record: RunEvidence | CanaryEvidence | None) -> dict[str, str]:
    """How each case came out for the candidate, whatever kind of record it is."""
    if isinstance(record, CanaryEvidence):
        return {case: pair.candidate for case, pair in record.outcomes.items()}
    return dict(record.outcomes) if record else {}


def standing_regress(canaries: Sequence[CanaryEvidence]) -> CanaryEvidence | None:
    """The last REGRESS among canaries of one comparison, in order, that no later PASS took back."""
    last: CanaryEvidence | None = None
    for record in canaries:
        if record.verdict in ("regress", "pass"):
            last = record if record.verdict == "regress" else None
    return last


def same_comparison(one: CanaryEvidence, other: CanaryEvidence) -> bool:
    """Whether two canaries compare the same contents and pins by the same measurement."""
    sides = (one.candidate, one.baseline) == (other.candidate, other.baseline)
    return sides and one.measurement.digest == other.measurement.digest


def side_of(served: Served) -> Side:
    return Side(version=served.version, pin=served.pin, digest=served.digest)


def _by_run(claim: Claim, evidence: Evidence, acknowledged: Collection[str]) -> Licence:
    """A run of exactly the candidate in which every case could be measured and every new failure is acknowledged."""
    runs = [run for run in evidence.runs if run.candidate == claim.candidate]
    matching = [run for run in runs if run.measurement.digest == claim.measurement]
    name = f"{claim.prompt}@{claim.candidate.version}"
    if not matching:
        why = _why_not(claim, "run", all_records=evidence.runs, same_candidate=runs)
        return Licence(missing=(f"a run of {name} on {claim.candidate.pin}: {why}",), needs="run")
    record = matching[-1]
    unsettled = _named({c: o for c, o in record.outcomes.items() if o in ("error", "unmeasurable")})
    if unsettled:
        text = f"a run in which every case could be measured: {unsettled}"
        return Licence(missing=(text,), record=record, needs="run")
    missing = (*_all_cases(record, claim, "run"), *_replayed(record, claim, "run"))
    if record.verdict == "regress" and "fail" not in record.outcomes.values():
        missing = (*missing, f"a run within its budgets and pass rate: the last one of {name} broke them")
    return _acknowledged(record, claim, acknowledged, missing)


def _by_canary(claim: Claim, evidence: Evidence, acknowledged: Collection[str]) -> Licence:
    """A canary of exactly the candidate against exactly what is served, with the verdict that the policy asks for."""
    assert claim.serving is not None
    own = [canary for canary in evidence.canaries if canary.candidate == claim.candidate]
    measured = [canary for canary in own if canary.measurement.digest == claim.measurement]
    matching = [canary for canary in measured if canary.baseline == side_of(claim.serving)]
    what = f"a canary of {claim.prompt}@{claim.candidate.version} against {claim.serving.version}"
    if not matching:
        why = _why_not(claim, "canary", all_records=evidence.canaries, same_candidate=own)
        if measured:
            was, now = _side(measured[-1].baseline), _side(side_of(claim.serving))
            why = f"the last one was against {was}, and {claim.environment} serves {now} now"
        return Licence(missing=(f"{what}: {why}",), needs="canary")
    record = matching[-1]
    refused = _verdict_missing(matching, claim, what)
    rest = (*_all_cases(record, claim, "canary"), *_replayed(record, claim, "canary"))
    missing = (*refused, *_settings_missing(record, claim), *rest)
    found = _acknowledged(record, claim, acknowledged, missing, helps=not refused)
    if refused and standing_regress(matching):
        found = replace(found, needs="mend")
    return replace(found, attempts=_attempts(matching), notices=_notices(record, matching))


def _verdict_missing(matching: Sequence[CanaryEvidence], claim: Claim, what: str) -> tuple[str, ...]:
    """The verdict that the policy asks for; `matching` are all canaries of this comparison, in order."""
    record, bad = matching[-1], standing_regress(matching)
    wanted = ("pass",) if claim.policy.require == "shown-not-worse" or bad else ("pass", "inconclusive")
    if record.verdict in wanted:
        return ()
    asked = f"{what} with the verdict {' or '.join(wanted)}"
    if bad is None:
        return (f"{asked}: the last one says {record.verdict}",)
    if bad is record:
        return (f"{asked}: the last one says regress, and only a later pass takes that back",)
    level = pass_level(record.alpha, record.attempt + 1)
    said = (
        f"attempt {bad.attempt} said regress, and {record.verdict} in attempt {record.attempt} does not take that back"
    )
    return (f"{asked}: {said}; attempt {record.attempt + 1} has to show p ≤ {level:.3g}",)


def _settings_missing(record: CanaryEvidence, claim: Claim) -> tuple[str, ...]:
    """The errors that the canary allowed itself are those that prompt.yaml allows."""
    now = claim.settings
    if now is None:
        return ()
    if (record.alpha, record.delta) != (now.alpha, now.delta):
        asked = f"a canary with alpha {now.alpha:g} and delta {now.delta:g}, as prompt.yaml says"
        return (f"{asked}: the last one had alpha {record.alpha:g} and delta {record.delta:g}",)
    if not decided_by(record, now):
        return ("a canary with the metrics, margins and directions that prompt.yaml says: the last one had others",)
    return ()


def _all_cases(record: RunEvidence | CanaryEvidence, claim: Claim, what: str) -> tuple[str, ...]:
    """A part of the dataset licenses nothing, whatever it says."""
    left_out = set(claim.cases) - set(record.outcomes)
    return (f"a {what} of all {len(claim.cases)} cases: {len(left_out)} were left out",) if left_out else ()


def _replayed(record: RunEvidence | CanaryEvidence, claim: Claim, what: str) -> tuple[str, ...]:
    """What was replayed is what is recorded still."""
    if record.mode != "replay":
        return ()
    seen = candidate_outcomes(record)
    other = {c: f"{seen[c]} then, {now} now" for c, now in claim.recorded.items() if seen.get(c, now) != now}
    return (f"a {what} of the recordings as they are: {_named(other)}",) if other else ()


def _acknowledged(
    record: RunEvidence | CanaryEvidence,
    claim: Claim,
    acknowledged: Collection[str],
    missing: tuple[str, ...],
    *,
    helps: bool = True,
) -> Licence:
    """The licence with the broken cases that nobody named; `helps`: naming them is all that is missing of them."""
    broken = broken_cases(record, claim.known_failures)
    open_cases = [case for case in broken if case not in acknowledged]
    again: Needs = "canary" if isinstance(record, CanaryEvidence) else "run"
    needs: Needs = again if missing else ""
    if open_cases:
        was = "broken" if isinstance(record, CanaryEvidence) else "failing"
        missing = (*missing, *_open_words(open_cases, was, helps=helps))
        needs = needs or "ack"
    return Licence(
        missing=missing,
        record=record,
        broken=broken,
        acknowledged=tuple(case for case in broken if case in acknowledged),
        unused=tuple(sorted(set(acknowledged) - set(broken))),
        needs=needs,
    )


def _open_words(cases: Sequence[str], was: str, *, helps: bool) -> tuple[str, ...]:
    """A few broken cases singly, many in one line."""
    if len(cases) > _SINGLY:
        named = (
            f"{', '.join(cases[:_NAMED])} and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ", ".join(cases)
        )
        ways = ", or acknowledge each with --ack CASE" if helps else f" ({_NO_HELP})"
        return (f"{len(cases)} {was} cases: {named}: mend them{ways}",)
    return tuple(
        f"{was} case {case}: mend it" + (f", or acknowledge it with --ack {case}" if helps else f" ({_NO_HELP})")
        for case in cases
    )


def _attempts(matching: Sequence[CanaryEvidence]) -> int:
    """How many canaries of one comparison there were, with those that were left without a verdict."""
    return sum(1 + canary.abandoned for canary in matching)


def _notices(record: CanaryEvidence, matching: list[CanaryEvidence]) -> tuple[str, ...]:
    found = []
    if (attempts := _attempts(matching)) > 1:
        left = attempts - len(matching)
        earlier = [canary.verdict for canary in matching[:-1]] + ([f"{left} left without a verdict"] if left else [])
        found.append(f"this is attempt {attempts} of the same comparison (before: {', '.join(earlier)})")
    if record.mode == "replay" or record.baseline_source == "recorded":
        side = "both sides were" if record.mode == "replay" else "the baseline was"
        found.append(f"{side} replayed from recordings, not asked live")
    if record.anchor is not None and record.anchor.verdict == "regress":
        found.append(f"creep: worse than {record.anchor.side.version}, the anchor, by what that is recorded with")
    return tuple(found)


def _after(claim: Claim) -> str:
    """What `after:` still asks for; an empty string where it is satisfied."""
    first = claim.policy.after
    if first is None:
        return ""
    if claim.ahead is None:
        return f"{first} must serve {claim.prompt}@{claim.candidate.version} first: it serves nothing of {claim.prompt}"
    if side_of(claim.ahead) != claim.candidate:
        return f"{first} must serve exactly {_side(claim.candidate)} first: it serves {_side(side_of(claim.ahead))}"
    return ""


def _why_not(claim: Claim, what: str, *, all_records: Sized, same_candidate: Sized) -> str:
    if not len(all_records):
        return "there is none yet"
    if not len(same_candidate):
        return f"every recorded {what} is of another content or pin; {_side(claim.candidate)} was never measured"
    return "dataset, checks or contract changed since the last one"


def _side(side: Side) -> str:
    return f"{side.version} ({short_digest(side.digest)} on {side.pin})"


def _named(outcomes: Mapping[str, str], limit: int = 5) -> str:
    listed = [f"{case} ({outcome})" for case, outcome in sorted(outcomes.items())]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
