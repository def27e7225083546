"""docs/providers.md says what the code does: its tables and examples are read and compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from promptops.config import Config, ProviderConfig, parse_config
from promptops.errors import FailureKind
from promptops.providers.registry import check_providers
from promptops.providers.retrying import CAN_PASS

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
NOT_OF_A_PROVIDER = {
    "budget",
    "cancelled",
    "template",
    "missing_recording",
    "stale_recording",
    "edited_recording",
    "unreadable_recordings",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_kind_of_failure_is_in_the_table_with_whether_it_is_asked_again() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no)\b[^|]*\|$", PAGE, re.MULTILINE)
    assert {kind for kind, _ in rows} == set(get_args(FailureKind)) - NOT_OF_A_PROVIDER
    assert {kind for kind, again in rows if again == "yes"} == CAN_PASS


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_configuration_shown_is_valid(block: str) -> None:
    config = parse_config(block)
    check_providers(config)
    assert config != Config()


def test_the_example_shows_every_setting_of_a_provider() -> None:
    shown = set(re.findall(r"^(\w+) =", blocks("toml")[0], re.MULTILINE))
    assert shown | {"models"} == {*ProviderConfig.model_fields, "name"}
    assert parse_config(blocks("toml")[0]).providers["acme"].models


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks("python"):
        exec(compile(block, "docs/providers.md", "exec"), {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
