"""`matches` and `equals`: the output against what the case expects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from promptops.core.checks.base import CheckContext, CheckError, Finding, unknown_keys
from promptops.core.comparison import Comparison, parse_exclude
from promptops.core.diff import MAX_TOLD, compare
from promptops.core.distance import measure
from promptops.core.shown import shown
from promptops.models import CheckSpec, Json

_OPTIONS = ("value", "ignore_order", "significant_digits", "exclude_paths", "ignore_case")


class ExpectedCheck:
    """`- matches` and `- equals`; `subset` is what tells them apart.

    The value is the case's `expected`, or the one written behind the check. Comparison is case-sensitive unless
    `ignore_case`. Of text outputs `matches` strips the white space at both ends, `equals` does not.
    """

    def __init__(self, name: str, *, subset: bool) -> None:
        self.name, self._subset = name, subset

    def problems(self, options: Json) -> Iterator[str]:
        if not isinstance(options, dict):
            return
        yield from unknown_keys(options, _OPTIONS)
        for key in ("ignore_order", "ignore_case"):
            if not isinstance(options.get(key, False), bool):
                yield f"{key} is true or false"
        digits = options.get("significant_digits")
        if digits is not None and (not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 15):
            yield "significant_digits is a whole number from 0 to 15: digits after the decimal point"
        yield from _path_problems(options.get("exclude_paths"))

    def run(self, options: Json, context: CheckContext) -> Finding:
        expected = _expected(options, context)
        if context.has_contract and not context.parsed.valid:
            why = "; ".join(context.parsed.problems[:3])
            return Finding("cannot", f"cannot be compared, the output is invalid: {why}")
        how = self.comparison(options)
        wanted, actual = expected, context.parsed.value
        if not context.has_contract:
            wanted, actual = self._texts(expected, context.reply.text)
        different = compare(wanted, actual, how)
        if not different:
            return Finding("yes", f"the output {self.name} {shown(expected)}", score=1.0)
        count, score = len(different), 1.0 - measure(wanted, actual, how).value
        most = "at least " if count == MAX_TOLD else ""
        return Finding("no", f"{most}{count} difference{'s' if count > 1 else ''}", different[:100], score)

    def comparison(self, options: Json) -> Comparison:
        """How the check compares, by its options."""
        if not isinstance(options, dict):
            return Comparison(subset=self._subset)
        given: dict[str, Any] = dict(options)
        return Comparison(
            ignore_order=given.get("ignore_order", False),
            significant_digits=given.get("significant_digits"),
            exclude_paths=tuple(parse_exclude(path) for path in given.get("exclude_paths", ())),
            subset=self._subset,
            ignore_case=given.get("ignore_case", False),
        )

    def _texts(self, expected: Json, text: str) -> tuple[str, str]:
        if isinstance(expected, dict | list):
            raise CheckError(
                f"expected is {'a mapping' if isinstance(expected, dict) else 'a list'}, but the output is plain text: "
                "name an output contract in prompt.yaml"
            )
        wanted = expected if isinstance(expected, str) else json.dumps(expected)
        return (wanted.strip(), text.strip()) if self._subset else (wanted, text)


def how_to_compare(specs: Iterable[CheckSpec]) -> Comparison:
    """How two outputs of one case are compared: by the options of its first `matches` or `equals`, with no key free."""
    spec = next((spec for spec in specs if spec.name in ("matches", "equals") and not spec.negate), None)
    found = MATCHES.comparison(spec.options) if spec is not None else Comparison()
    return replace(found, subset=False)


def _expected(options: Json, context: CheckContext) -> Json:
    if isinstance(options, dict):
        if "value" in options:
            value: Json = options["value"]
            return value
    elif options is not None:
        return options
    if not context.case.has_expected:
        raise CheckError("the case has no `expected`: add it, or give this case checks of its own")
    return context.case.expected


def _path_problems(paths: Json) -> Iterator[str]:
    if paths is None:
        return
    if not isinstance(paths, list) or not all(isinstance(path, str) and path for path in paths):
        yield "exclude_paths is a list of paths such as \"root['note']\""
        return
    for path in paths:
        try:
            parse_exclude(str(path))
        except ValueError as error:
            yield f"exclude_paths: {error}"


MATCHES = ExpectedCheck("matches", subset=True)
EQUALS = ExpectedCheck("equals", subset=False)
