"""`schema`: the output satisfies its contract."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.core.checks.base import CheckContext, CheckError, Finding, found, unknown_keys
from promptops.models import Json


class SchemaCheck:
    """`- schema`, or `- schema: {strict: true}`: then an output that had to be repaired fails too."""

    name = "schema"

    def problems(self, options: Json) -> Iterator[str]:
        if options is None:
            return
        if not isinstance(options, dict):
            yield "takes no value, or {strict: true}"
            return
        yield from unknown_keys(options, ("strict",))
        if not isinstance(options.get("strict", False), bool):
            yield "strict is true or false"

    def run(self, options: Json, context: CheckContext) -> Finding:
        if not context.has_contract:
            raise CheckError("the prompt has no output contract: name one in prompt.yaml, output: schema.py:Model")
        if context.parsed.error:
            raise CheckError("the output contract itself raised", context.parsed.error)
        if not context.parsed.valid:
            return Finding("no", "; ".join(context.parsed.problems) or "the output does not satisfy the contract")
        strict = isinstance(options, dict) and options.get("strict") is True
        repairs = context.parsed.repairs if strict else ()
        return found(not repairs, "the output satisfies the contract", "had to be repaired: " + "; ".join(repairs))
