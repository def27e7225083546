"""`released/vN.json`: a version with everything it needs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from promptops.formats.base import Digest, PromptName, Strict, VersionName
from promptops.formats.prompt import Fallback, IdentitySettings


class Closure(Strict):
    """A version with everything it needs: what is rendered, asked, digested and served.

    `inputs` maps each input to its JSON Schema, `includes` each included template's name to its text,
    `output_schema` is the compiled JSON Schema of the output contract (None: there is none). `reask` and `fallback`
    are those of prompt.yaml, `identity` is which replies count at run time; all three are left out of the file where
    prompt.yaml does not name them.
    """

    format: Literal[1] = 1
    prompt: PromptName
    version: VersionName
    model: str
    params: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []
    inputs: dict[str, dict[str, Any]] = {}
    template: str
    includes: dict[str, str] = {}
    output_schema: dict[str, Any] | None = None
    reask: Annotated[int, Field(ge=0, le=5)] = 0
    fallback: Fallback | None = None
    identity: IdentitySettings | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The digest of a version from before there were these fields is what it was."""
        fields: dict[str, Any] = handler(self)
        for name in ("reask", "fallback", "identity"):
            if not fields.get(name):
                fields.pop(name, None)
        if "identity" in fields:
            fields["identity"] = {name: value for name, value in fields["identity"].items() if value}
        return fields


class ClosureFile(Strict):
    """`released/vN.json`: `digest` is the version digest of `closure`."""

    digest: Digest
    closure: Closure
