"""docs/vendors.md says what the tables in core/wire say: its own tables are made from them here, and compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from promptops.config import Config, parse_config
from promptops.core.params import PARAMS
from promptops.core.wire.dialects import DIALECTS, SPECS
from promptops.core.wire.spec import Field, Spec
from promptops.core.wire.vendors import VENDORS
from promptops.providers.registry import check_providers

PAGE = (Path(__file__).parents[2] / "docs" / "vendors.md").read_text(encoding="utf-8")


def known_table() -> str:
    """The vendors that need no configuration."""
    rows = ["| a pin begins with | asked | key in | format |", "| --- | --- | --- | --- |"]
    for name, vendor in sorted(VENDORS.items()):
        key = f"`${vendor.key}`" if vendor.key else "none"
        rows.append(f"| [`{name}`]({vendor.page}) | `{vendor.base_url}` | {key} | `{vendor.format}` |")
    return "\n".join(rows)


def formats_table() -> str:
    """Params down, formats across: under which name each is sent."""
    names = sorted(SPECS)
    rows = ["| | " + " | ".join(f"[`{name}`]({SPECS[name].page})" for name in names) + " |"]
    rows.append("| --- |" + " --- |" * len(names))
    for param in PARAMS:
        cells = [cell(param, SPECS[name].fields.get(param)) for name in names]
        rows.append(f"| `{param}` | " + " | ".join(cells) + " |")
    media = {"image": "images", "file": "files"}
    for kind, words in media.items():
        cells = [", ".join(sorted(types(SPECS[name], kind))) or "no" for name in names]
        rows.append(f"| {words} | " + " | ".join(cells) + " |")
    rows.append(
        "| schema enforced | " + " | ".join("yes" if SPECS[n].native_schema else "in words" for n in names) + " |"
    )
    return "\n".join(rows)


def types(spec: Spec, kind: str) -> set[str]:
    media: Mapping[str, frozenset[str]] = spec.media  # type: ignore[assignment]
    return {name.partition("/")[2].removeprefix("vnd.") for name in media.get(kind, ())}


def cell(param: str, field: Field | None) -> str:
    """`no` for what is not taken, else the name it is sent by where that is another one, and what bounds it."""
    if field is None:
        return "no"
    words = "yes" if not field.path or field.path == (param,) else f"`{'.'.join(field.path)}`"
    if field.low is not None or field.high is not None:
        low, high = (f"{edge:g}" if edge is not None else "" for edge in (field.low, field.high))
        words += f" {low}…{high}"
    if field.most is not None:
        words += f" ≤ {field.most}"
    if field.choices is not None and len(field.choices) < 7:
        words += f": {', '.join(field.choices)}"
    return words


def dialects_table() -> str:
    """Hosts that take the format openai-chat with a difference that data can say."""
    rows = ["| host | does not take | calls | sends besides |", "| --- | --- | --- | --- |"]
    for (format_name, host), spec in sorted(DIALECTS.items()):
        if format_name != "openai-chat":
            continue
        base = SPECS[format_name].fields
        missing = [f"`{name}`" for name in base if name not in spec.fields]
        called = [
            f"`{name}` `{'.'.join(field.path)}`"
            for name, field in spec.fields.items()
            if field.path and field.path != base[name].path
        ]
        besides = [f"`{name}: {value}`" for name, value in spec.headers.items()]
        besides += [f"key in `{spec.key_header}`"] if spec.key_header else []
        besides += [f"`{name}`" for name in spec.extra]
        cells = (", ".join(missing) or "no", ", ".join(called) or "no", ", ".join(besides) or "no")
        rows.append(f"| `{host}` | {' | '.join(cells)} |")
    return "\n".join(rows)


@pytest.mark.parametrize("table", [known_table, formats_table, dialects_table])
def test_a_table_is_the_one_that_the_code_makes(table: object) -> None:
    assert callable(table)
    assert table() in PAGE, f"docs/vendors.md must have this table:\n{table()}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_configuration_shown_is_valid(block: str) -> None:
    config = parse_config(block)
    check_providers(config)
    assert config != Config()


def test_every_format_is_explained() -> None:
    assert {name for name in SPECS if f"`{name}`" in PAGE} == set(SPECS)
