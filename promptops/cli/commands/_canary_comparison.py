"""What `promptops canary` compares: the two versions, which attempt it is, and its run in the store."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.cli.commands._asking import recorded_run
from promptops.cli.commands._shared import note
from promptops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from promptops.formats import CanaryEvidence
    from promptops.models import Json, Pin
    from promptops.runner.canary import Comparison
    from promptops.runner.resuming import Resume, StoredRun
    from promptops.runner.session import Session


def comparison_of(
    session: Session,
    ref: str,
    *,
    against: str | None,
    pin: Pin | None,
    seed: int | None,
    baseline: str,
    max_samples: int | None = None,
    max_cost: float | None = None,
) -> Comparison:
    """The comparison that the options name; raises `UsageError`."""
    from promptops.runner.canary import Comparison

    if baseline not in ("live", "recorded"):
        raise UsageError(f"--baseline {baseline!r}: write live or recorded")
    prompt, version = _one_version(session, ref, newest=pin is None)
    candidate = session.target(prompt, version, pin)
    base = session.target(prompt, _baseline_version(session, prompt, against or (version if pin else None)))
    sides = candidate.samples + base.samples
    if max_samples is not None and max_samples < sides:
        raise UsageError(f"--max-samples {max_samples}: one case takes {sides} samples")
    latency = candidate.spec.canary.guardrails.get("latency")
    if baseline == "recorded" and session.mode == "live" and latency is not None and latency.critical:
        raise UsageError(
            "--baseline recorded: its latency is of another hour, and decides nothing about the candidate's: ask both "
            "sides, or let that guardrail only warn (latency: {critical: false})"
        )
    return Comparison(
        session,
        base,
        candidate,
        secrets.randbelow(2**31) if seed is None else seed,
        "recorded" if baseline == "recorded" else "live",
        most_samples=max_samples,
        most_cost=max_cost,
    )


def _one_version(session: Session, ref: str, *, newest: bool = True) -> tuple[str, str]:
    """Read `NAME@vN`, `NAME@ENV` or `NAME` (the newest version, or the served one); raises `UsageError`."""
    found = session.select([ref])
    if "@" not in ref and len({prompt for prompt, _ in found}) == 1:
        prompt = found[0][0]
        return (prompt, found[-1][1]) if newest else (prompt, session.served(prompt))
    if len(found) != 1:
        raise UsageError(f"{ref!r} names {len(found)} versions: name one, such as booking@v3")
    return found[0]


def _baseline_version(session: Session, prompt: str, against: str | None) -> str:
    """What to compare with: what the environment in force serves, or what `--against` names."""
    if against is None:
        return session.served(prompt)
    if against in session.manifest.environments:
        return session.served(prompt, against)
    ref = against if "@" in against else f"{prompt}@{against}"
    found, version = _one_version(session, ref)
    if found != prompt:
        raise UsageError(f"--against {against!r} is another prompt: a canary compares versions of one")
    return version


@contextmanager
def recorded_canary(comparison: Comparison, resume: Resume, seed: int | None) -> Iterator[tuple[Comparison, StoredRun]]:
    """The canary's run, and the comparison with the order and as the attempt that it is.

    A run that is gone on with keeps its order, so only a seed that was asked for has to agree.
    """
    targets = (comparison.baseline, comparison.candidate)
    same: dict[str, Json] = {
        "baseline": comparison.baseline.side.model_dump(),
        "candidate": comparison.candidate.side.model_dump(),
        "measurement": "" if comparison.partial else comparison.candidate.measurement.digest,
    }
    names: list[Json] = [f"{target.name} {target.pin}" for target in targets]
    plan: dict[str, Json] = {"targets": names, **same, "seed": comparison.seed}
    key: Json = {"seed": seed, "baseline": comparison.baseline_source}
    with recorded_run(comparison.session, "canary", targets, plan, resume=resume, key=key) as stored:
        counts = comparison.session.mode != "replay" and not comparison.partial
        abandoned = tuple(stored.left_behind("canary", same)) if counts else ()
        _say_abandoned(abandoned)
        if counts and not stored.there:
            _say_passed(earlier_canaries(comparison))
        comparison = replace(comparison, seed=int(str(stored.plan["seed"])), abandoned=abandoned)
        yield replace(comparison, attempt=attempt_of(comparison)), stored


def _say_abandoned(runs: tuple[str, ...]) -> None:
    if runs:
        one = len(runs) == 1
        note(
            f"{len(runs)} canar{'y' if one else 'ies'} of this comparison {'was' if one else 'were'} left without a "
            f"verdict ({', '.join(runs[:3])}): {'it counts as an attempt' if one else 'each counts as an attempt'}"
        )


def _say_passed(earlier: Sequence[CanaryEvidence]) -> None:
    """Whoever has a PASS can only lose it by asking again: the evidence that counts is the last."""
    if earlier and earlier[-1].verdict == "pass":
        note(
            f"notice: attempt {earlier[-1].attempt} at this comparison said pass already; the evidence of this one "
            "stands in its place (--no-evidence writes none)"
        )


def earlier_canaries(comparison: Comparison) -> list[CanaryEvidence]:
    """The canaries of this comparison that the evidence has as it stands, the oldest first."""
    from promptops.project.evidence import load_evidence
    from promptops.release.records import canaries_of

    candidate, baseline = comparison.candidate, comparison.baseline
    evidence = load_evidence(comparison.session.project, candidate.prompt, candidate.version)
    return canaries_of(evidence, candidate.side, baseline.side, candidate.measurement.digest)


def attempt_of(comparison: Comparison) -> int:
    """Which attempt (from 1) a comparison is, by the evidence as it stands and the canaries that were left."""
    from promptops.release.records import next_attempt

    return next_attempt(earlier_canaries(comparison), abandoned=len(comparison.abandoned))
