"""The closure of a version: the unit that is rendered, asked, digested, served and released."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from promptops.core.digest import canonical_json
from promptops.core.inputs import check_inputs, infer_inputs, with_defaults
from promptops.core.media import MediaReader
from promptops.core.template import Template, compile_template
from promptops.errors import TemplateRefused
from promptops.formats import Closure, IdentitySettings, PromptFile
from promptops.models import Json, Message, Pin, Request

if TYPE_CHECKING:
    from collections.abc import Sequence


_WHOLE = frozenset({"output_schema", "fallback", "identity"})
"""Fields of a closure that differ as a whole."""


class Version(Protocol):
    """What a closure is built from: `project.prompts.PromptVersion` is one."""

    @property
    def prompt(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def pin(self) -> Pin: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def tools(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def template(self) -> str: ...
    @property
    def includes(self) -> Mapping[str, str]: ...


def build_closure(
    version: Version,
    inputs: Mapping[str, Mapping[str, Any]] | None,
    output_schema: Mapping[str, Any] | None,
    spec: PromptFile | None = None,
) -> Closure:
    """Return the self-contained closure of a version; of `spec` it has what becomes of replies.

    `inputs` are the schemas of the prompt (`Prompt.inputs`); the closure keeps those that this version uses, so that
    a further input never changes an older version. With None all inputs are inferred from the template.
    """
    template = _compiled(version.template, _items(version.includes), f"{version.prompt}@{version.name} (template)")
    schemas = infer_inputs(template.variables) if inputs is None else inputs
    spec = spec or PromptFile()
    return Closure(
        prompt=version.prompt,
        version=version.name,
        model=str(version.pin),
        params=dict(version.params),
        tools=[dict(tool) for tool in version.tools],
        inputs={name: dict(schema) for name, schema in sorted(schemas.items()) if name in template.variables},
        template=version.template,
        includes={name: version.includes[name] for name in sorted(template.includes)},
        output_schema=dict(output_schema) if output_schema is not None else None,
        reask=spec.reask,
        fallback=spec.fallback,
        identity=None if spec.identity == IdentitySettings() else spec.identity,
    )


def template_of(closure: Closure) -> Template:
    """Return the compiled template of a closure; compiled once for each text."""
    return _compiled(closure.template, _items(closure.includes), f"{closure.prompt}@{closure.version} (template)")


def render(
    closure: Closure,
    inputs: Mapping[str, Json],
    *,
    refuse_unknown: bool = False,
    read: MediaReader | None = None,
) -> tuple[Message, ...]:
    """Return the messages for `inputs`, defaults filled in. `read` reads the images and files that the template names.

    Inputs that the closure does not know are left out, because the cases of a dataset serve all versions of a prompt;
    with `refuse_unknown` they are refused, as for a caller who wrote them by hand.

    Raises `TemplateRefused` for missing and mistyped inputs, and for whatever rendering refuses.
    """
    if problems := check_inputs(closure.inputs, inputs, unknown=refuse_unknown):
        raise TemplateRefused("; ".join(problems), path=f"{closure.prompt}@{closure.version}")
    return template_of(closure).render(with_defaults(closure.inputs, inputs), read)


def request_for(
    closure: Closure, inputs: Mapping[str, Json], *, pin: Pin | None = None, read: MediaReader | None = None
) -> Request:
    """Return what is asked of the model (`pin` instead of the closure's own) for the inputs of one case.

    Inputs that only other versions use are left out. Raises `TemplateRefused` as `render` does.
    """
    return request_of(closure, render(closure, inputs, read=read), pin or Pin.parse(closure.model))


def request_of(closure: Closure, messages: tuple[Message, ...], pin: Pin) -> Request:
    """Return what is asked of the model `pin` with these messages: for the contract's schema where params say so."""
    schema = closure.output_schema if "structured_output" in closure.params else None
    stable = min(template_of(closure).stable, len(messages))
    return Request(pin, messages, closure.params, tuple(closure.tools), output_schema=schema, stable=stable)


def closure_differences(old: Closure, new: Closure) -> list[str]:
    """Return what differs between two closures, in the order of the file: `template`, `params.top_p`, `inputs.text`."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    found: list[str] = []
    for name in Closure.model_fields:
        one, other = before.get(name), after.get(name)
        if canonical_json(one) == canonical_json(other):
            continue
        if isinstance(one, dict) and isinstance(other, dict) and name not in _WHOLE:
            keys = [key for key in sorted({*one, *other}) if _differ(one, other, key)]
            found += [f"{name}.{key}" for key in keys]
        else:
            found.append(name)
    return found


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    return key not in one or key not in other or canonical_json(one[key]) != canonical_json(other[key])


def _items(includes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(includes.items()))


@functools.lru_cache(maxsize=512)
def _compiled(template: str, includes: tuple[tuple[str, str], ...], path: str) -> Template:
    return compile_template(template, dict(includes), path=path)
