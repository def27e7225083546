"""`promptops show`: a version with its pin, parameters, inputs, tools, includes and template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, say

if TYPE_CHECKING:
    from promptops.formats import Closure

EXAMPLES = ("promptops show booking", "promptops show booking@v3", "promptops show booking@production --json")


def show(
    ref: Annotated[str, typer.Argument(metavar="NAME[@vN|@ENV]", help="The version; the newest without @.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a version is: pin, parameters, inputs, tools, includes, template.

    Runs no Python of the repository, so a contract in schema.py is named and not shown.
    """
    from promptops.cli.commands._version import choose
    from promptops.core.select import served_versions
    from promptops.formats import PromptFile
    from promptops.project.manifest import load_manifest

    project = current_project()
    chosen = choose(project, ref)
    closure = chosen.closure
    manifest = load_manifest(project)
    served_by = sorted(
        name for name in manifest.environments if closure.version in served_versions(manifest, closure.prompt, name)
    )
    spec = chosen.prompt.spec if chosen.prompt else PromptFile()
    if as_json:
        document: dict[str, Any] = closure.model_dump(mode="json", exclude={"format", "output_schema"})
        about = {"description": spec.description, "owner": spec.owner, "output": spec.contract}
        emit_json({**document, **about, "source": chosen.source, "served_by": served_by})
        return
    say(f"{chosen.name}  {closure.model}")
    if spec.description:
        say(f"  {spec.description}")
    if spec.owner:
        say(f"  owner       {spec.owner}")
    say(f"  read from   {chosen.source}")
    say(f"  served by   {', '.join(served_by) or 'no environment'}")
    say(f"  params      {_params(closure)}")
    say(f"  tools       {', '.join(str(tool['function']['name']) for tool in closure.tools) or 'none'}")
    if spec.contract:
        say(f"  output      {spec.contract}")
    if closure.reask:
        say(f"  asked again at most {closure.reask} times for an output that satisfies it")
    if closure.fallback is not None:
        say(f"  fallback    {json.dumps(closure.fallback.value, ensure_ascii=False)}")
    say("  inputs")
    for name, schema in closure.inputs.items():
        say(f"    {name}: {json.dumps(schema, ensure_ascii=False) if schema else 'anything'}")
    _text("template", closure.template)
    for name, text in closure.includes.items():
        _text(f"include {name}", text)


def _params(closure: Closure) -> str:
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in closure.params.items())
    return ", ".join(pairs) or "the provider's own"


def _text(title: str, text: str) -> None:
    say(f"  {title}")
    for line in text.splitlines():
        say(f"    │ {line}")
