"""Read checks as a user writes them: names, or mappings of one name to its options; `not` around either."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from promptops.core.checks.registry import CHECKS
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.models import CheckSpec, Json

MAX_CHECKS = 200
HINT = "write a name (- schema) or one name with its value (- contains: refund)"

Where = tuple[str | int, ...]


def parse_checks(
    raw: Any,
    *,
    path: str,
    lines: Mapping[Where, int] | None = None,
    at: Where = ("checks",),
    line: int = 0,
) -> tuple[CheckSpec, ...]:
    """Parse a list of checks. `lines` maps paths of the document to lines, `at` is where the list stands in it.

    `line` is used where `lines` knows nothing. Raises `ProblemsError` with every problem.
    """
    specs, problems = read_checks(raw, path=path, lines=lines, at=at, line=line)
    if problems:
        raise ProblemsError(problems)
    return specs


def read_checks(
    raw: Any, *, path: str, lines: Mapping[Where, int] | None = None, at: Where = ("checks",), line: int = 0
) -> tuple[tuple[CheckSpec, ...], list[Problem]]:
    """`parse_checks` for a caller that collects problems itself."""
    known = lines or {}
    if raw is None:
        return (), []
    if not isinstance(raw, list):
        return (), [Problem(path, known.get(at, line), "checks is not a list", HINT)]
    if len(raw) > MAX_CHECKS:
        return (), [Problem(path, known.get(at, line), f"{len(raw)} checks; at most {MAX_CHECKS}")]
    specs: list[CheckSpec] = []
    problems: list[Problem] = []
    for index, item in enumerate(raw):
        where = known.get((*at, index), known.get(at, line))
        spec, told = _read(item, where)
        if spec is not None and not told:
            specs.append(spec)
        problems.extend(Problem(path, where, *words) for words in told)
    return tuple(specs), problems


def _read(item: Any, line: int, *, negate: bool = False) -> tuple[CheckSpec | None, Sequence[tuple[str, str]]]:
    """One check, or what is wrong with it: pairs of message and hint."""
    if isinstance(item, str):
        name, options = item, None
    elif isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item)), str):
        name, options = next(iter(item.items()))
    elif isinstance(item, dict) and len(item) > 1:
        keys = ", ".join(map(repr, list(item)[:5]))
        return None, [(f"a check is one key, not {len(item)} ({keys})", "begin each check with its own dash")]
    else:
        return None, [(f"{item!r:.80} is not a check", HINT)]
    if name == "not":
        if negate:
            return None, [("`not` inside `not`", "leave both out")]
        if options is None:
            return None, [("`not` needs a check", "- not: {contains: sorry}")]
        return _read(options, line, negate=True)
    if name not in CHECKS:
        return None, [(f"unknown check {name!r}{did_you_mean(name, [*CHECKS, 'not'])}", "known: " + ", ".join(CHECKS))]
    told = [(f"{name}: {problem}", "") for problem in CHECKS[name].problems(options)]
    if not told and not _finite(options):
        told = [(f"{name}: a number is not finite", "")]
    return CheckSpec(name, options, negate=negate, line=line), told


def _finite(options: Json) -> bool:
    if isinstance(options, float):
        return math.isfinite(options)
    if isinstance(options, dict):
        return all(_finite(item) for item in options.values())
    return all(_finite(item) for item in options) if isinstance(options, list) else True
