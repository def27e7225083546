"""docs/checks.md: every list of checks on it parses, and every check is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptops.core.checks import CHECKS, parse_checks
from promptops.core.strict_yaml import parse_yaml
from promptops.formats import PromptFile

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_part_of_a_prompt_file(block: str) -> None:
    document = parse_yaml(block, path="docs/checks.md")
    settings = PromptFile.model_validate(document.data)
    assert settings.checks is None or parse_checks(settings.checks, path="docs/checks.md", lines=document.lines)


def test_every_check_has_an_example() -> None:
    settings = [PromptFile.model_validate(parse_yaml(block, path="docs/checks.md").data) for block in BLOCKS]
    shown = {spec.name for each in settings for spec in parse_checks(each.checks, path="docs/checks.md")}
    assert shown == set(CHECKS)
