"""Accepted outcomes against recordings and dataset: recomputed wherever that needs no Python of the repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from promptops.core.contract import Contract, JsonSchemaContract, TextContract
from promptops.core.digest import version_digest
from promptops.core.judge import judge
from promptops.core.judging import judges_named, measured
from promptops.core.measurement import dataset_digest, holds_together, judged_alike, measurement_of
from promptops.core.media import MediaReader
from promptops.core.plan import Planned, plan_samples
from promptops.core.reask import as_today, is_consistent
from promptops.formats import Accepted, AcceptedCase, Closure, Measurement
from promptops.models import Case, CaseResult, CheckSpec, Pin, PlannedSample, Sample
from promptops.project.datasets import Dataset, cases_of, dataset_of
from promptops.project.evidence import evidence_path
from promptops.project.files import matching
from promptops.project.judges import load_judges
from promptops.project.media_files import media_reader
from promptops.project.prompts import Prompt
from promptops.release.verifying.findings import Collector
from promptops.release.verifying.times import time_of
from promptops.store.recordings import Recordings, load, recordings_path

HINT = "accepted outcomes are written by `promptops accept`: restore the file, or accept anew in a reviewed diff"


def check_recordings(found: Collector) -> None:
    """Every line of every recordings file of the prompt matches its own digest."""
    folder = found.project.fixtures_dir / found.prompt / "recordings"
    lines = 0
    for path in matching(folder, "*/*.jsonl"):
        with found.isolated(path):
            recordings = load(path, root=found.project.root)
            lines += len(recordings)
            for problem in recordings.edited():
                found.problem(path, problem.message, problem.hint, line=problem.line)
    if lines:
        samples = "1 recorded sample" if lines == 1 else f"{lines} recorded samples"
        found.recomputed.append(f"{found.prompt}: {samples} against their digests")


def check_accepted(found: Collector, prompt: Prompt | None, version: str, closure: Closure, accepted: Accepted) -> None:
    """The accepted outcomes of a released version are of its closure, its recordings, and what these give."""
    path = evidence_path(found.project, found.prompt, version)
    if accepted.version != version_digest(closure) or accepted.pin != closure.model:
        found.problem(path, "its accepted outcomes are of another content or pin than the released version", HINT)
        return
    for message in _wrong_in_accepted(accepted):
        found.problem(path, message, HINT)
    source = recordings_path(found.project.fixtures_dir, found.prompt, version, Pin.parse(accepted.pin))
    with found.isolated(source):
        recordings = load(source, root=found.project.root)
        _check_samples(found, version, accepted, recordings)
        if prompt is not None:
            _recompute(found, prompt, version, closure, accepted, recordings)


def notice_unaccepted(found: Collector, prompt: Prompt, version: str) -> None:
    """A released version of a prompt with a dataset has no accepted outcomes."""
    if not cases_of(found.project, prompt):
        return
    found.notice(
        evidence_path(found.project, found.prompt, version),
        f"holds no accepted outcomes of {version}, so every case that fails with it is red",
        f"restore the file, or promptops accept {found.prompt}@{version}",
    )


def _wrong_in_accepted(accepted: Accepted) -> list[str]:
    """What does not hold together, whatever the recordings say."""
    wrong = []
    if time_of(accepted.accepted_at) is None:
        wrong.append(f"says that outcomes were accepted at {accepted.accepted_at!r}, which is no time")
    if not holds_together(accepted.measurement):
        wrong.append("the measurement digest of its accepted outcomes is not that of dataset, checks and contract")
    odd = [
        case
        for case, entry in accepted.cases.items()
        if (entry.outcome == "pass") != (entry.passes == entry.of) or len(entry.samples) not in (0, entry.of)
    ]
    if odd:
        wrong.append(f"accepted outcomes that contradict their own counts: {_listed(odd)}")
    return wrong


def _check_samples(found: Collector, version: str, accepted: Accepted, recordings: Recordings) -> None:
    """Each accepted sample is still the one that was recorded."""
    known = {(case, line.fields["digest"]) for (case, _), line in recordings.lines.items()}
    gone = [case for case, entry in accepted.cases.items() if {(case, digest) for digest in entry.samples} - known]
    if gone:
        name = f"{found.prompt}@{version}"
        found.problem(
            recordings.path,
            f"no longer holds the samples that these cases were accepted with: {_listed(gone)}",
            f"restore the file, or record and accept anew: promptops run {name} --mode record, promptops accept {name}"
            + found.last_change(evidence_path(found.project, found.prompt, version)),
        )


def _recompute(
    found: Collector, prompt: Prompt, version: str, closure: Closure, accepted: Accepted, recordings: Recordings
) -> None:
    name = f"{found.prompt}@{version}"
    dataset = dataset_of(found.project, prompt)
    cases = dataset.cases if dataset else ()
    today = _measurement(found, prompt, dataset, closure)
    read = media_reader(found.project, found.prompt, dataset.path if dataset else None)
    _check_requests(found, version, closure, accepted, cases, recordings, read)
    _notice_older(found, version, accepted, cases, today)
    if not judged_alike(accepted.measurement, today):
        found.skipped.append(f"{name}: accepted outcomes, because checks or contract changed since they were accepted")
        return
    if reason := needs_python(prompt, dataset):
        found.skipped.append(f"{name}: accepted outcomes, because {reason}")
        return
    wrong, count = [], 0
    contract: Contract = TextContract() if closure.output_schema is None else JsonSchemaContract(closure.output_schema)
    for case in cases:
        entry = accepted.cases.get(case.id)
        if entry is None or entry.case != case.digest or len(entry.samples) != entry.of:
            continue
        count += 1
        if told := _compare(entry, _again(case, entry, closure, prompt.checks, contract, recordings, read)):
            wrong.append(f"{case.id} ({told})")
    if wrong:
        path = evidence_path(found.project, found.prompt, version)
        found.problem(path, f"accepted outcomes that the recordings do not give: {_listed(wrong)}", HINT)
    outcomes = "1 accepted outcome" if count == 1 else f"{count} accepted outcomes"
    found.recomputed.append(f"{name}: {outcomes} from the recordings")


def _check_requests(
    found: Collector,
    version: str,
    closure: Closure,
    accepted: Accepted,
    cases: Sequence[Case],
    recordings: Recordings,
    read: MediaReader,
) -> None:
    """Each accepted sample answers the request that closure and case give; one that is recorded is named."""
    other, unnamed = [], []
    for case in cases:
        entry = accepted.cases.get(case.id)
        if entry is None or entry.case != case.digest:
            continue
        plan = plan_samples(closure, [case], samples=entry.of, released=True, read=read)
        asked = [(planned, recordings.find(planned)) for planned in plan if isinstance(planned, PlannedSample)]
        samples = [sample for _, sample in asked]
        stale = any(sample.failure and sample.failure.kind == "stale_recording" for sample in samples)
        if stale or not all(is_consistent(planned, sample) for planned, sample in asked if sample.earlier):
            other.append(case.id)
        elif not entry.samples and any(sample.reply for sample in samples):
            unnamed.append(case.id)
    name = f"{found.prompt}@{version}"
    if other:
        message = f"holds samples of other requests than {name} makes: {_listed(other)}"
        hint = "restore the file, or record and accept anew: promptops run {0} --mode record, promptops accept {0}"
        found.problem(recordings.path, message, hint.format(name))
    if unnamed:
        message = f"accepted without naming the recordings that there are: {_listed(unnamed)}"
        found.notice(evidence_path(found.project, found.prompt, version), message, f"promptops accept {name}")


def needs_python(prompt: Prompt, dataset: Dataset | None) -> str:
    """Why judging needs Python of the repository; an empty string where it does not."""
    if prompt.spec.contract and not prompt.spec.contract.endswith(".json"):
        return f"the output contract is Python ({prompt.spec.contract})"
    own = dataset.python if dataset else frozenset()
    if judges_named(prompt.checks) or (dataset and dataset.judges):
        return "a check asks a judge"
    return "a check is Python" if own or any(spec.name == "python" for spec in prompt.checks) else ""


def _measurement(found: Collector, prompt: Prompt, dataset: Dataset | None, closure: Closure) -> Measurement:
    """Today's measurement; the schema of a contract that is a class is that of the release, because it is not run."""
    from promptops.project.user_code import check_sources, contract_source, load_contract

    written = prompt.spec.contract
    schema: Any = closure.output_schema
    if written is None or written.endswith(".json"):
        schema = load_contract(prompt).schema
    digest, own = (dataset.digest, dataset.python) if dataset else (dataset_digest(()), frozenset[str]())
    judges = measured(load_judges(found.project, prompt, dataset))
    return measurement_of(digest, prompt.checks, schema, check_sources(prompt, own), contract_source(prompt), judges)


def _again(
    case: Case,
    entry: AcceptedCase,
    closure: Closure,
    checks: Sequence[CheckSpec],
    contract: Contract,
    recordings: Recordings,
    read: MediaReader,
) -> CaseResult:
    """Judge the recorded samples of one case."""
    plan = plan_samples(closure, [case], samples=entry.of, released=True, read=read)
    found = [_today(planned, contract, recordings) for planned in plan]
    return CaseResult(
        case.id, tuple(judge(sample, case, contract, checks, _no_python, tools=closure.tools) for sample in found)
    )


def _today(planned: Planned, contract: Contract, recordings: Recordings) -> Sample:
    """A recorded sample as its conversation goes by the contract."""
    if not isinstance(planned, PlannedSample):
        return planned
    sample = recordings.find(planned)
    if sample.reply is None or not (planned.reask or sample.earlier):
        return sample
    return as_today(planned, sample, contract) or recordings.otherwise_asked(planned, sample)


def _no_python(reference: str) -> Callable[..., Any]:
    raise AssertionError(f"verify runs no Python, and {reference!r} was asked for")


def _compare(entry: AcceptedCase, result: CaseResult) -> str:
    if (entry.outcome, entry.passes, entry.of) == (result.outcome, result.passes, result.of):
        return ""
    failed = next((j.sample.failure for j in result.judgements if j.sample.failure), None)
    why = f": {failed.kind.replace('_', ' ')}" if failed else ""
    return f"{entry.outcome} {entry.passes}/{entry.of} accepted, {result.outcome} {result.passes}/{result.of} now{why}"


def _notice_older(
    found: Collector, version: str, accepted: Accepted, cases: Sequence[Case], measured: Measurement
) -> None:
    """Evidence is a dated fact: a dataset that grew since is worth knowing, and breaks nothing."""
    today = {case.id: case.digest for case in cases}
    added = len(set(today) - set(accepted.cases))
    removed = len(set(accepted.cases) - set(today))
    changed = sum(case in today and today[case] != entry.case for case, entry in accepted.cases.items())
    counts = [(f"+{added}", added), (f"-{removed}", removed), (f"{changed} changed", changed)]
    told = ", ".join(text for text, count in counts if count)
    name = f"{found.prompt}@{version}"
    path = evidence_path(found.project, found.prompt, version)
    if (removed or changed) and accepted.measurement.dataset == measured.dataset:
        found.problem(path, f"accepted outcomes are not of the dataset that their digest names ({told})", HINT)
    elif told and accepted.measurement.dataset != measured.dataset:
        cases_word = "case" if added + removed + changed == 1 else "cases"
        found.notice(path, f"evidence older than the dataset ({told} {cases_word})", f"promptops accept {name}")
    elif not judged_alike(accepted.measurement, measured):
        found.notice(path, "evidence older than the checks or the contract", f"promptops accept {name}")


def _listed(items: Sequence[str], limit: int = 10) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
