"""Python tests that ask for a prompt: `@pytest.mark.promptops("booking")` with `prompt_case` and `prompt_output`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from promptops._pytest.reprs import ItemUnmeasured
from promptops._pytest.state import RUN
from promptops.errors import PromptopsError
from promptops.reporting.safe import one_line, terminal

if TYPE_CHECKING:
    from promptops._pytest.run import Run
    from promptops.models import Case, Json, Judgement, Reply, Sample
    from promptops.runner.targets import Target


class PromptRequest(Struct, frozen=True):
    """The parameter of such a test: one case of one version."""

    target: Target
    case: Case


class PromptOutput(Struct, frozen=True):
    """What the model answered to the case: its first sample, judged; all of them in `samples`.

    `value` is the parsed and normalised output (the text itself without an output contract), `valid` whether it
    satisfied the contract (None: there is none).
    """

    judgement: Judgement
    samples: tuple[Sample, ...]

    @property
    def reply(self) -> Reply:
        """The reply as it came: finish reason, usage, latency in seconds, served model."""
        assert self.judgement.sample.reply is not None, "a test without a reply does not run"
        return self.judgement.sample.reply

    @property
    def text(self) -> str:
        """The text that the model wrote."""
        return self.reply.text

    @property
    def value(self) -> Json:
        return self.judgement.value

    @property
    def valid(self) -> bool | None:
        return self.judgement.valid


def parametrise(metafunc: pytest.Metafunc) -> None:
    """Run the test once for each case of what its markers name and this run selects."""
    run = metafunc.config.stash[RUN]
    selectors = [str(name) for mark in metafunc.definition.iter_markers("promptops") for name in mark.args]
    if not selectors:
        return
    try:
        requests = list(_requests(run, selectors))
    except PromptopsError as error:
        raise pytest.Collector.CollectError(terminal(str(error))) from None
    ids = [f"{request.target.name}-{request.case.id}" for request in requests]
    metafunc.parametrize("_prompt_request", requests, indirect=True, ids=ids)


def _requests(run: Run, selectors: list[str]) -> Iterator[PromptRequest]:
    for prompt, version in run.selection.resolve(selectors):
        target = run.target(prompt, version)
        yield from (PromptRequest(target, case) for case in target.cases)


def output_of(request: PromptRequest, node: pytest.Item) -> PromptOutput:
    """Wait for the samples of the case; skips as unmeasurable where there is none, fails for an edited recording."""
    result = node.config.stash[RUN].result(request.target, request.case)
    first = result.judgements[0]
    if (failure := first.sample.failure) is None:
        return PromptOutput(first, tuple(judgement.sample for judgement in result.judgements))
    message = one_line(f"{failure.kind.replace('_', ' ')}: {failure.message}")
    hint = one_line(f"; next: {failure.hint}" if failure.hint else "", 400)
    if first.outcome == "unmeasurable":
        raise ItemUnmeasured(message + hint)
    pytest.fail(message + hint, pytrace=False)
