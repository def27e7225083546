"""`[canary]`: the newest version against what is served, by the samples that this session's cases were given.

It asks nothing of its own and writes no evidence: what licenses a promotion is `promptops canary`, which stops early.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from promptops._pytest.items import PromptItem
from promptops._pytest.reprs import ItemFailed, ItemUnmeasured
from promptops._pytest.state import RUN
from promptops.reporting.lines import Line
from promptops.reporting.safe import one_line, terminal

if TYPE_CHECKING:
    from promptops._pytest.outcomes import ItemStanding
    from promptops._pytest.run import Run
    from promptops.core.canary import CanaryDecision
    from promptops.models import Case, CaseResult
    from promptops.runner.anchor import Anchored
    from promptops.runner.canary import Comparison
    from promptops.runner.targets import Target

_STANDINGS: dict[str, ItemStanding] = {
    "pass": "passed",
    "regress": "broke",
    "inconclusive": "undecided",
    "unmeasurable": "unmeasurable",
}
_NAMED = 20
WantedKey = tuple[str, str, str]
"""Prompt, version and case."""


def served_beside(run: Run, target: Target) -> str | None:
    """The version that a canary of `target` compares it with; None where it has none.

    It has one where prompt.yaml has `canary`, and the newest version is not what the environment in force serves.
    """
    versions = run.selection.versions.get(target.prompt, ())
    if "canary" not in target.spec.model_fields_set or not target.cases or target.version != versions[-1]:
        return None
    environment = run.session.manifest.environments.get(run.session.environment)
    entry = environment.prompts.get(target.prompt) if environment is not None else None
    return entry.version if entry is not None and entry.version != target.version else None


class CanaryItem(PromptItem):
    """`[canary]`: is the candidate worse than what is served, and is it shown to be not worse?"""

    kind = "canary"
    target: Target
    against: str

    @classmethod
    def of(cls, parent: pytest.Collector, target: Target, against: str) -> CanaryItem:
        item: CanaryItem = cls.from_parent(parent, name="[canary]", nodeid=f"{parent.nodeid}::[canary]")
        item.target, item.against = target, against
        return item

    @property
    def title(self) -> str:
        return f"{self.target.name} [canary]"

    @property
    def path_of_version(self) -> str:
        """The node id under which all cases of the candidate are."""
        return self.nodeid.partition("::")[0]

    def runtest(self) -> None:
        run = self.config.stash[RUN]
        selected, every = run.wanted_cases(self.target), self.target.total
        if len(selected) < every and not _recorded(run, self.target):
            what = f"partial: {len(selected)} of {every} cases are selected"
            self._settle("partial", [what, f"select them all: pytest --promptops {self.path_of_version}"])
            return
        comparison = _comparison(run, self.target, self.against)
        decision, anchored = _decide(run, comparison)
        standing, told = (
            _STANDINGS[decision.verdict],
            list(_findings(comparison, decision, anchored, _source(run, comparison))),
        )
        if self.target.spec.canary.warn_only and standing != "passed":
            standing, told = "passed", [f"WARN ONLY, so it is green: {decision.verdict.upper()}", *told]
        self._settle(standing, told)

    def _settle(self, standing: ItemStanding, findings: list[str]) -> None:
        name = self.target.name
        message = one_line(f"canary: {findings[0]}", 400)
        self.standing = standing
        self.data = {
            "message": message,
            "label": name,
            "name": self.name,
            "pin": str(self.target.pin),
            "standing": standing,
            "findings": findings,
        }
        if standing == "broke":
            body = [Line(f"  {terminal(text)}") for text in findings]
            raise ItemFailed(message, [Line(f"CANARY: {name}", "bad"), *body])
        if standing != "passed":
            raise ItemUnmeasured(one_line(findings[0], 400))


def side_by_side(
    wanted: Mapping[WantedKey, tuple[Target, Case]], canaries: Sequence[CanaryItem]
) -> dict[WantedKey, tuple[Target, Case]]:
    """The order to ask in: both sides of a canary's case next to each other, who goes first alternating.

    Providers vary by the hour: so the two halves of a pair are of one minute.
    """
    others = {(item.target.prompt, item.target.version): item.against for item in canaries}
    others |= {(prompt, against): version for (prompt, version), against in others.items()}
    found: dict[WantedKey, tuple[Target, Case]] = {}
    pairs = 0
    for key, own in wanted.items():
        prompt, version, case = key
        other = (prompt, others.get((prompt, version), ""), case)
        if key in found:
            continue
        if other not in wanted:
            found[key] = own
            continue
        both = {key: own, other: wanted[other]}
        found |= both if pairs % 2 == 0 else dict(reversed(both.items()))
        pairs += 1
    return found


def _recorded(run: Run, target: Target) -> bool:
    """Whether the canary alone is selected, and recordings are enough: then it replays them by itself."""
    return run.session.mode == "replay" and not run.wanted_cases(target)


def _comparison(run: Run, candidate: Target, against: str) -> Comparison:
    """The two sides, in an order that stands for these contents: the same in every run and every worker."""
    from promptops.runner.canary import Comparison

    baseline = run.target(candidate.prompt, against)
    contents = "/".join((candidate.digest, baseline.digest, candidate.measurement.digest))
    seed = int.from_bytes(hashlib.sha256(contents.encode()).digest()[:4], "big")
    measured = len(run.wanted_cases(baseline)) == baseline.total
    return Comparison(run.session, baseline, candidate, seed, "live" if measured else "recorded")


def _decide(run: Run, comparison: Comparison) -> tuple[CanaryDecision, Anchored | None]:
    from promptops.core.sequence import decide_in_order
    from promptops.runner.anchor import beside_anchor
    from promptops.runner.canary import broken_budgets
    from promptops.runner.must_pass import replayed_gates

    candidate, order = comparison.candidate, comparison.order
    given = run.session.recorded_case if _recorded(run, candidate) else run.result
    results = {case.id: given(candidate, case) for case in candidate.cases}
    judged = {case.id: _both(run, comparison, case, results[case.id]) for case in candidate.cases}
    pairs = {case: (before.outcome, after.outcome) for case, (before, after) in judged.items()}
    figures = comparison.figures(judged)
    decision = decide_in_order(
        pairs,
        candidate.spec.canary,
        order,
        asked=len(order),
        gates=[*replayed_gates(candidate, results).broken, *broken_budgets(candidate, results)],
        evidence=comparison.measured(figures),
    )
    return decision, beside_anchor(comparison, pairs, len(order), figures)


def _both(run: Run, comparison: Comparison, case: Case, after: CaseResult) -> tuple[CaseResult, CaseResult]:
    from promptops.runner.looks import independent

    if comparison.baseline_source == "live":
        before = run.result(comparison.baseline, case)
    else:
        before = run.session.recorded_case(comparison.baseline, case)
    return independent(before), independent(after)


def _findings(
    comparison: Comparison, decision: CanaryDecision, anchored: Anchored | None, source: str
) -> Iterator[str]:
    from promptops.reporting.anchor_words import anchor_lines, creep_warning
    from promptops.reporting.canary_metrics import metric_lines
    from promptops.reporting.canary_words import cases_words, finding_words

    yield f"{decision.verdict.upper()}: {decision.reason}"
    yield f"against {comparison.baseline.version}, {source}"
    settings = comparison.candidate.spec.canary
    if decision.metrics:
        yield from (line.text.strip() for line in metric_lines(decision, settings))
        yield f"cases: {cases_words(decision)}"
    else:
        yield from (f"{title}: {text}" if title else text for title, text in finding_words(decision, settings))
    for word, cases in (("broke", decision.broke), ("fixed", decision.fixed)):
        if cases:
            yield f"{word}: {_listed(cases)}"
    if anchored is not None:
        yield f"anchor: {'; '.join(line.text for line in anchor_lines(anchored, settings))}"
    if decision.settle:
        yield f"what would settle it: {decision.settle}"
    warnings = (*decision.warnings, creep_warning(anchored) if anchored is not None else "")
    yield from (f"warning: {warning}" for warning in warnings if warning)


def _source(run: Run, comparison: Comparison) -> str:
    """Where the samples are from: a reader must not take a replay for an interleaved canary."""
    if comparison.session.mode == "replay":
        return "both sides replayed from recordings"
    if comparison.baseline_source == "recorded":
        return "whose cases are not selected: its side is replayed from recordings"
    if not run.pairs_sides:
        return "both sides as this session asked them, one after the other and not interleaved"
    return "both sides of a case as this session asked them, next to each other"


def _listed(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return ", ".join(cases[:_NAMED]) + more
