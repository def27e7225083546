"""`promptops render`: the messages that a version sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say
from promptops.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from promptops.cli.commands._version import Chosen
    from promptops.core.media import MediaReader
    from promptops.project.root import Project

EXAMPLES = (
    "promptops render booking@v3 --case c17",
    "promptops render booking --input text='A table for two at 8pm'",
    "promptops render booking@production --inputs inputs.json --json",
)


def render(
    ref: Annotated[str, typer.Argument(metavar="NAME[@vN|@ENV]", help="The version; the newest without @.")],
    *,
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="Take the inputs of this case.")] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", metavar="FILE", help="Take the inputs from a JSON file.")
    ] = None,
    one: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=VALUE", help="One input; may be repeated, and goes before the others."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the messages that a version sends, as they are sent. Asks nothing and runs no Python of the repository."""
    from promptops.cli.commands._version import choose
    from promptops.core.closure import request_for
    from promptops.core.digest import message_json, request_digest
    from promptops.core.inputs import check_inputs
    from promptops.core.media import shown_message

    project = current_project()
    chosen = choose(project, ref)
    schemas = {**(chosen.prompt.inputs if chosen.prompt else {}), **chosen.closure.inputs}
    by_hand = _file_inputs(inputs) if inputs is not None else {}
    by_hand |= _written_inputs(one or [], schemas)
    values = {**(_case_inputs(project, chosen, case) if case is not None else {}), **by_hand}
    unknown = [text for text in check_inputs(schemas, by_hand) if text.startswith("unknown")]
    if problems := [*check_inputs(chosen.closure.inputs, values, unknown=False), *unknown]:
        raise UsageError(f"{chosen.name}: " + f"\n{chosen.name}: ".join(problems))
    request = request_for(chosen.closure, values, read=_reader(project, chosen))
    if as_json:
        emit_json(
            {
                "prompt": chosen.closure.prompt,
                "version": chosen.closure.version,
                "model": str(request.pin),
                "params": dict(request.params),
                "tools": list(request.tools),
                "messages": [message_json(message) for message in request.messages],
                "request": request_digest(request),
            }
        )
        return
    note(f"{chosen.name}  {request.pin}")
    for message in request.messages:
        say(message.role)
        for line in shown_message(message).split("\n"):
            say(f"  │ {line}")  # so that no content looks like the head of a message


def _reader(project: Project, chosen: Chosen) -> MediaReader:
    """What reads the images and files that template and case name: below the dataset's folder, where there is one."""
    from promptops.project.datasets import find_dataset
    from promptops.project.media_files import media_reader

    name = chosen.closure.prompt
    written = chosen.prompt.spec.dataset if chosen.prompt else None
    return media_reader(project, name, find_dataset(project, name, written))


def _case_inputs(project: Project, chosen: Chosen, case: str) -> Mapping[str, Any]:
    from promptops.project.datasets import dataset_of
    from promptops.project.prompts import load_prompt

    name = chosen.closure.prompt
    dataset = dataset_of(project, chosen.prompt or load_prompt(project, name))
    cases = dataset.cases if dataset else ()
    if (found := next((item for item in cases if item.id == case), None)) is None:
        names = [item.id for item in cases[:10_000]]
        listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "none"
        raise UsageError(f"{name} has no case {case!r}{did_you_mean(case, names)} (there is: {listed})")
    return found.inputs


def _file_inputs(path: Path) -> dict[str, Any]:
    from promptops.project.files import parse_json, read_text

    value = parse_json(read_text(Path(path.absolute().anchor), path, str(path)), str(path))
    if not isinstance(value, dict):
        raise UsageError(f"{path} must hold a JSON object: a name and a value for each input")
    return value


def _written_inputs(pairs: Sequence[str], schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Text stays text where the schema takes text; else the value is read as JSON."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--input {pair!r} is not NAME=VALUE")
        values[name] = _value(text, schemas.get(name, {}))
    return values


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    from promptops.core.inputs import value_problem

    if value_problem(schema, text) is None:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
