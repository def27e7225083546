"""One version file: YAML front matter, then Jinja; the tools and includes that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct, field

from promptops.config import Config
from promptops.core.aliases import floating_alias, snapshot_note
from promptops.core.document import Document
from promptops.core.inputs import schema_problem
from promptops.core.params import check_params
from promptops.core.strict_yaml import parse_yaml, validate
from promptops.core.template import Template, compile_template, included_names
from promptops.core.wire.problems import params_in_force, params_problems, tool_problems, unused_tools
from promptops.errors import Problem, ProblemsError
from promptops.formats import FrontMatter
from promptops.models import Pin
from promptops.project.files import Problems, parse_json, read_text
from promptops.project.root import Project

MAX_INCLUDES: Final = 100
_HEAD = "begin the file with\n    ---\n    model: openai/gpt-4.1-mini-2025-04-14\n    ---"
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_\-]*\Z")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z")


class PromptVersion(Struct, frozen=True):
    """One version as its file says it.

    `params` are those in force (presets of the task filled in), `written` those of the file. `template` is the Jinja
    part, which begins at `first_line` of the file, `includes` maps each name that it includes to the text; `head` knows
    the lines of the front matter.
    """

    prompt: str
    name: str
    number: int
    path: Path
    pin: Pin
    params: Mapping[str, Any]
    tools: tuple[Mapping[str, Any], ...]
    template: str
    first_line: int
    includes: Mapping[str, str]
    variables: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # name → file and line of its first use
    written: Mapping[str, Any] = field(default_factory=dict)
    head: Document = field(default_factory=lambda: Document(None))


def read_version(project: Project, path: Path, *, task: str | None) -> PromptVersion:
    """Read one version file. Raises `ProblemsError` with every problem of it, its tools and its includes."""
    shown = project.relative(path)
    text = read_text(project.root, path, shown)
    problems = Problems()
    head, body, first_line = split_front_matter(text, shown)
    document = problems.catch(lambda: parse_yaml(head, path=shown, first_line=2))
    front = problems.catch(lambda: _front_matter(document, shown, project.config)) if document else None
    tools = problems.catch(lambda: _tools(project, path, str(front.tools))) if front and front.tools else ()
    if front is not None and tools is not None:
        problems.found += tool_problems(front.params, tools, path=shown)
        problems.found += unused_tools(Pin.parse(front.model), tools, project.config, path=shown)
    includes = _Includes(project, path.parent, problems)
    includes.follow(body, shown, first_line)
    template = problems.catch(
        lambda: compile_template(body, includes.texts, path=shown, first_line=first_line, paths=includes.shown)
    )
    problems.raise_any()
    assert front is not None
    assert document is not None
    assert isinstance(template, Template)
    return PromptVersion(
        prompt=path.parent.name,
        name=path.stem,
        number=int(path.stem[1:]),
        path=path,
        pin=Pin.parse(front.model),
        params=params_in_force(Pin.parse(front.model), front.params, task, project.config),
        written=front.params,
        tools=tuple(tools or ()),
        template=body,
        first_line=first_line,
        includes={name: includes.texts[name] for name in sorted(template.includes)},
        variables=template.variable_lines,
        head=document,
    )


def split_front_matter(text: str, shown: str) -> tuple[str, str, int]:
    """Return front matter, template and the line on which the template begins; raises `ProblemsError`."""
    if not text.strip():
        raise ProblemsError([Problem(shown, 1, "is empty", _HEAD)])
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise ProblemsError([Problem(shown, 1, "has no front matter that names a model", _HEAD)])
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            body = "\n".join(lines[number + 1 :])
            if not body.strip():
                raise ProblemsError([Problem(shown, number + 1, "has no template below the front matter")])
            return "\n".join(lines[1:number]), body, number + 2
    raise ProblemsError([Problem(shown, 1, "has front matter without an end", "end it with a line of ---")])


def _front_matter(document: Document, shown: str, config: Config) -> FrontMatter:
    problems = Problems()
    front = problems.catch(lambda: validate(FrontMatter, document, path=shown))
    written = document.data if isinstance(document.data, dict) else {}
    model, params = written.get("model"), written.get("params", {})
    if isinstance(model, str):
        problems.catch(lambda: _check_pin(model, shown, document.line("model")))
    if isinstance(params, dict):
        problems.found += check_params(params, document, path=shown)
        if isinstance(model, str) and not problems.found:
            problems.found += params_problems(Pin.parse(model), params, config, document, path=shown)
    problems.raise_any()
    assert front is not None
    return front


def _check_pin(model: str, shown: str, line: int) -> None:
    hint = "write provider/model-id, such as openai/gpt-4.1-mini-2025-04-14"
    try:
        pin = Pin.parse(model)
    except ValueError:
        hint = f"openai/{snapshot.model}" if (snapshot := _bare(model)) else hint
        raise ProblemsError([Problem(shown, line, f"model: {model!r} is not a pin", hint)]) from None
    if not _PROVIDER.match(pin.provider):
        raise ProblemsError([Problem(shown, line, f"model: {pin.provider!r} is no name of a provider", hint)])
    if any(letter.isspace() or not letter.isprintable() for letter in model) or len(model) > 200:
        raise ProblemsError([Problem(shown, line, f"model: {model[:60]!r} is not a model id", hint)])
    if instead := floating_alias(pin):
        message = f"model: {model!r} floats: the vendor can point it at another model at any time"
        note = snapshot_note(pin)
        raise ProblemsError([Problem(shown, line, message, f"pin {instead}" + (f"  ({note})" if note else ""))])


def _bare(model: str) -> Pin | None:
    instead = floating_alias(Pin("openai", model)) if model and model == model.strip() else None
    return Pin.parse(instead) if instead and instead.startswith("openai/gpt") else None


# --- tools ------------------------------------------------------------------------------------------------------------


def _tools(project: Project, version: Path, name: str) -> tuple[Mapping[str, Any], ...]:
    """Read the JSON list of tools beside a version. Source: OpenAI API reference, `tools` of chat completions."""
    shown = project.relative(version)
    if (
        not name.endswith(".json")
        or "\\" in name
        or PurePosixPath(name).is_absolute()
        or ".." in PurePosixPath(name).parts
    ):
        message = f"tools: {name!r} is not the name of a JSON file beside the version"
        raise ProblemsError([Problem(shown, 0, message, "tools: tools.json")])
    path = version.parent / name
    shown = project.relative(path)
    value = parse_json(read_text(project.root, path, shown), shown)
    if not isinstance(value, list):
        raise ProblemsError([Problem(shown, 1, "must be a list of tools")])
    problems = Problems()
    names: set[str] = set()
    for index, tool in enumerate(value):
        for message in _tool_problems(tool, names):
            problems.add(shown, 0, f"tool {index}: {message}")
    problems.raise_any()
    return tuple(tool for tool in value if isinstance(tool, dict))


def _tool_problems(tool: Any, names: set[str]) -> list[str]:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        return ['must be {"type": "function", "function": {…}}']
    function, found = tool["function"], []
    if unknown := [key for key in tool if key not in ("type", "function")]:
        found.append(f"unknown key {unknown[0]!r}")
    if unknown := [key for key in function if key not in ("name", "description", "parameters", "strict")]:
        found.append(f"unknown key {unknown[0]!r} in function")
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.match(name):
        found.append(f"the name {name!r} must be 1 to 64 letters, digits, _ or -")
    elif name in names:
        found.append(f"the name {name!r} is there twice")
    names.add(str(name))
    if not isinstance(function.get("description", ""), str):
        found.append("description must be text")
    if not isinstance(function.get("strict", False), bool):
        found.append("strict must be true or false")
    parameters = function.get("parameters", {})
    if not isinstance(parameters, dict):
        found.append("parameters must be a JSON Schema")
    elif message := schema_problem(parameters):
        found.append(f"parameters: {message}")
    return found


# --- includes ---------------------------------------------------------------------------------------------------------


class _Includes:
    """Finds and reads what templates include, and what that includes: beside the prompt, else in the prompts folder."""

    def __init__(self, project: Project, folder: Path, problems: Problems) -> None:
        self.project, self.folder, self.problems = project, folder, problems
        self.texts: dict[str, str] = {}
        self.paths: dict[str, Path] = {}

    @property
    def shown(self) -> dict[str, str]:
        return {name: self.project.relative(path) for name, path in self.paths.items()}

    def follow(self, source: str, shown: str, first_line: int) -> None:
        waiting = [(name, shown, line + first_line - 1) for name, line in included_names(source)]
        while waiting:
            name, where, line = waiting.pop()
            if name in self.texts or len(self.texts) > MAX_INCLUDES:
                continue
            if (text := self._read(name, where, line)) is not None:
                waiting += [(inner, self.shown[name], at) for inner, at in included_names(text)]

    def _read(self, name: str, where: str, line: int) -> str | None:
        parts = PurePosixPath(name).parts
        if not name or "\\" in name or "\0" in name or PurePosixPath(name).is_absolute() or ".." in parts:
            self.problems.add(
                where, line, f"{name!r} is not a name inside the prompts folder", "such as _shared/tone.j2"
            )
            self._leave_empty(name)
            return None
        path = next((p for p in (self.folder / name, self.project.prompts_dir / name) if _exists(p)), None)
        if path is None:
            return None  # compiling says so, with the line
        try:
            text = read_text(self.project.root, path, self.project.relative(path))
        except ProblemsError as error:
            self.problems.found += [
                Problem(where, line, f"cannot include {p}".split("\n")[0], p.hint) for p in error.problems
            ]
            self._leave_empty(name)
            return None
        self.texts[name], self.paths[name] = text, path
        return text

    def _leave_empty(self, name: str) -> None:
        """So that compiling goes on and finds what else is wrong."""
        self.texts[name], self.paths[name] = "", self.folder / "_"


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return False
