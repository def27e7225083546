"""The pytest plugin: its options, and hooks of one line.

Imported by every pytest run wherever promptops is installed, so only the standard library and pytest are imported here
(a test counts the modules). Everything else is in `promptops._pytest`, which is loaded with `--promptops`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from promptops._pytest.python_tests import PromptOutput
    from promptops.models import Case

MARKER = (
    "promptops(selector): a test of a prompt's outputs; with the fixtures prompt_case and prompt_output it runs once "
    "for each case of what the selector names (booking, booking@v3). Prompt items themselves carry it too."
)
OFF = "needs --promptops"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("promptops", "prompts as code")
    add = group.addoption
    add("--promptops", action="store_true", default=None, help="test the prompts too; every --promptops-… implies it")
    add(
        "--promptops-mode",
        choices=("replay", "record", "new", "live"),
        help="replay (default): recordings only, no network; record: ask and rewrite; new: ask for what is missing "
        "and write it; live: ask, write nothing",
    )
    add(
        "--promptops-select",
        action="append",
        metavar="REF",
        help="booking, booking@v3, booking@production, env:production, candidate, all (may be given several times)",
    )
    add(
        "--promptops-changed",
        action="store_true",
        default=None,
        help="only prompts whose template, includes, schema, dataset or checks changed",
    )
    add("--promptops-base", metavar="REV", help="changed since REV (default: the merge base with the main branch)")
    add("--promptops-accept", action="store_true", default=None, help="write the outcomes of this run as accepted")
    add("--promptops-model", metavar="PIN", help="test the selection against another pin, such as acme/model-1")
    add("--promptops-samples", type=_count, metavar="N", help="samples per case")
    add("--promptops-concurrency", type=_count, metavar="N", help="requests in flight")
    add(
        "--promptops-budget",
        type=_dollars,
        metavar="USD",
        help="the worst case is estimated before the first request; the run stops at the cap, `new` goes on from there",
    )
    add("--promptops-budget-tokens", type=_count, metavar="N", help="stop before more tokens than this are used")
    add("--promptops-budget-requests", type=_count, metavar="N", help="send at most so many, retries included")
    add(
        "--promptops-resume",
        action="store_true",
        default=None,
        help="go on with the run of the same plan that was cut short, however old (one of the last day is gone on with "
        "by itself)",
    )
    add("--promptops-no-resume", action="store_true", default=None, help="ask for everything again")
    add("--promptops-no-cache", action="store_true", default=None, help="ask for every sample, equal requests too")
    add(
        "--promptops-report",
        action="append",
        metavar="PATH",
        help="write a report, by its ending .html, .json or .md (may be given several times)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


_count.__name__ = "whole number from 1"


def _dollars(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


_dollars.__name__ = "number of US dollars"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if not enabled(config):
        config.pluginmanager.register(_Off(), "promptops-off")
    elif not _only_tells(config):
        from promptops._pytest.activate import activate

        activate(config)


class _Off:
    """Without `--promptops`; a plugin of its own, so that with it no test pays for the question."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("promptops") is not None:
            pytest.skip(OFF)


def enabled(config: pytest.Config) -> bool:
    """Whether `--promptops` or any option that implies it was given."""
    given = vars(config.option)
    return any(name.startswith("promptops") and value is not None for name, value in given.items())


def _only_tells(config: pytest.Config) -> bool:
    """Whether pytest only shows its help, version or markers."""
    return any(getattr(config.option, name, False) for name in ("help", "version", "markers"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_prompt_request" in metafunc.fixturenames and enabled(metafunc.config):
        from promptops._pytest.python_tests import parametrise

        parametrise(metafunc)


@pytest.fixture
def _prompt_request(request: pytest.FixtureRequest) -> Any:
    if not hasattr(request, "param"):
        pytest.fail(
            "prompt_case and prompt_output need a marker such as @pytest.mark.promptops('booking')", pytrace=False
        )
    return request.param


@pytest.fixture
def prompt_case(_prompt_request: Any) -> Case:
    """The case of the dataset that this test runs for: `.id`, `.inputs`, `.expected`, `.tags`."""
    case: Case = _prompt_request.case
    return case


@pytest.fixture
def prompt_output(_prompt_request: Any, request: pytest.FixtureRequest) -> PromptOutput:
    """What the model answered to `prompt_case`: `.text`, `.value` (parsed), `.valid`, `.reply`, `.samples`."""
    from promptops._pytest.python_tests import output_of

    return output_of(_prompt_request, request.node)
