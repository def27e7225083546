"""Every check by name. A new check is one object here and one block in docs/checks.md."""

from __future__ import annotations

from promptops.core.checks import expected, limits, words
from promptops.core.checks.base import Check
from promptops.core.checks.json_path import JsonPathCheck
from promptops.core.checks.judge import JudgeCheck
from promptops.core.checks.python import PythonCheck
from promptops.core.checks.structure import SchemaCheck

_ALL: tuple[Check, ...] = (
    SchemaCheck(),
    expected.MATCHES,
    expected.EQUALS,
    words.CONTAINS,
    words.ICONTAINS,
    words.STARTS_WITH,
    words.REGEX,
    words.FINISH_REASON,
    JsonPathCheck(),
    limits.MAX_LATENCY,
    limits.MAX_COST,
    limits.MAX_TOKENS,
    PythonCheck(),
    JudgeCheck(),
)

CHECKS: dict[str, Check] = {check.name: check for check in _ALL}
