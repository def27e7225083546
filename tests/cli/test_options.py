"""Options that commands share: one record on our side, its fields on the command line."""

from __future__ import annotations

import inspect
from typing import Annotated, get_args, get_type_hints

import pytest
import typer
from typer.models import OptionInfo
from typer.testing import CliRunner

from promptops.cli.commands._canary_ending import Ending
from promptops.cli.options import CaseOptions, EffortOptions, Options, takes_options
from promptops.cli.progress import Telling

seen: list[tuple[str, CaseOptions, bool]] = []


@takes_options
def ask(
    name: str,
    *,
    cases: CaseOptions,
    dry: Annotated[bool, typer.Option("--dry", help="Ask nobody.")] = False,
) -> None:
    """Ask."""
    seen.append((name, cases, dry))


app = typer.Typer(rich_markup_mode=None)
app.command()(ask)


@pytest.mark.parametrize(
    ("arguments", "cases"),
    [
        ([], CaseOptions()),
        (["--tag", "a", "--tag", "b", "--limit", "3"], CaseOptions(tag=["a", "b"], limit=3)),
        (["--samples", "2"], CaseOptions(samples=2)),
    ],
)
def test_a_command_gets_the_record(arguments: list[str], cases: CaseOptions) -> None:
    seen.clear()
    assert CliRunner().invoke(app, ["it", *arguments, "--dry"]).exit_code == 0
    assert seen == [("it", cases, True)]


def test_a_command_that_another_one_calls_has_its_defaults() -> None:
    seen.clear()
    ask("it", limit=2)
    assert seen == [("it", CaseOptions(limit=2), False)]


def test_the_fields_stand_in_the_place_of_the_record() -> None:
    assert list(inspect.signature(ask).parameters) == ["name", "samples", "tag", "limit", "dry"]
    shown = CliRunner().invoke(app, ["--help"]).stdout
    places = [shown.index(name) for name in ("--samples", "--tag", "--limit", "--dry")]
    assert places == sorted(places)
    assert "Only cases with this tag" in shown


def test_what_an_option_refuses_is_refused_by_name() -> None:
    refused = CliRunner().invoke(app, ["it", "--samples", "0"])
    assert refused.exit_code == 2
    assert "'--samples'" in refused.output


@pytest.mark.parametrize("record", [CaseOptions, EffortOptions, Telling, Ending])
def test_every_field_of_a_record_is_an_option_with_help_and_a_default(record: type[Options]) -> None:
    record()
    for name, hint in get_type_hints(record, include_extras=True).items():
        (option,) = [each for each in get_args(hint) if isinstance(each, OptionInfo)]
        assert option.help, name
