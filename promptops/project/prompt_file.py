"""prompt.yaml: the contract and the tests of a prompt, and whether what it names is there. Runs no code."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct, field

from promptops.core.checks import read_checks
from promptops.core.checks.python import REFERENCE
from promptops.core.contract import Contract, JsonSchemaContract
from promptops.core.document import Document
from promptops.core.inputs import parse_inputs, schema_problem
from promptops.core.judging import parse_asked
from promptops.core.strict_yaml import parse_yaml, validate
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.formats import Fallback, PromptFile
from promptops.models import CheckSpec
from promptops.project.files import Problems, parse_json, read_text
from promptops.project.root import Project

_PYTHON = re.compile(r"(?P<file>[A-Za-z_]\w*\.py):(?P<name>[A-Za-z_]\w*)\Z")
_JSON = re.compile(r"[\w\-][\w.\-]*\.json\Z")


class PromptSettings(Struct, frozen=True):
    """What prompt.yaml says. `inputs` is None where it declares none: then the templates do."""

    spec: PromptFile = field(default_factory=PromptFile)
    inputs: Mapping[str, Mapping[str, Any]] | None = None
    checks: tuple[CheckSpec, ...] = ()
    document: Document = field(default_factory=lambda: Document(None))


def read_prompt_file(project: Project, folder: Path, problems: Problems) -> PromptSettings:
    """Read `prompt.yaml` of a prompt, all defaults where it has none; what is wrong goes into `problems`."""
    path = folder / "prompt.yaml"
    if not path.exists() and not path.is_symlink():
        if (folder / "prompt.yml").exists():
            problems.add(project.relative(folder / "prompt.yml"), 0, "is not read", "call it prompt.yaml")
        return PromptSettings()
    shown = project.relative(path)
    document = problems.catch(lambda: parse_yaml(read_text(project.root, path, shown), path=shown))
    spec = problems.catch(lambda: validate(PromptFile, document, path=shown)) if document else None
    if document is None or spec is None:
        return PromptSettings()
    declared = spec.inputs
    inputs = None if declared is None else problems.catch(lambda: parse_inputs(declared, path=shown, document=document))
    checks, found = read_checks(spec.checks, path=shown, lines=document.lines)
    problems.found += found
    if (contract := spec.contract) is not None:
        line = document.line("output", "schema") or document.line("output")
        before = len(problems.found)
        problems.catch(lambda: _check_output(project, folder, shown, contract, line))
        if len(problems.found) == before:
            problems.found += _bad_fallback(project, folder, spec, document, shown)
    for check in checks:
        if check.name == "python":
            problems.catch(lambda check=check: check_python(project, folder, shown, check))  # type: ignore[misc]
        elif check.name == "judge":
            problems.catch(lambda check=check: check_judge(project, shown, check))  # type: ignore[misc]
    problems.found += _bad_patterns(spec, document, shown)
    return PromptSettings(spec, inputs, checks, document)


def _bad_patterns(spec: PromptFile, document: Document, shown: str) -> Iterator[Problem]:
    for index, pattern in enumerate(spec.redact):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield Problem(
                shown, document.line("redact", index), f"redact: {pattern!r} is not a regular expression: {error}"
            )


def _bad_fallback(
    project: Project, folder: Path, spec: PromptFile, document: Document, shown: str
) -> Iterator[Problem]:
    """A fallback that does not satisfy the contract, where that is a JSON Schema; a class is not run here."""
    if spec.fallback is None or spec.contract is None or not spec.contract.endswith(".json"):
        return
    path = project.relative(folder / spec.contract)
    schema: Any = parse_json(read_text(project.root, folder / spec.contract, path), path)
    yield from fallback_problems(spec.fallback, JsonSchemaContract(schema), document, shown)


def fallback_problems(fallback: Fallback, contract: Contract, document: Document, shown: str) -> Iterator[Problem]:
    """What keeps a declared fallback from being an output: it has to satisfy the contract as it is written."""
    parsed = contract.parse(json.dumps(fallback.value))
    if not parsed.valid:
        message = f"output.fallback does not satisfy the output contract: {'; '.join(parsed.problems)}"
        yield Problem(shown, document.line("output", "fallback"), message, "write a value that an answer could have")


def _check_output(project: Project, folder: Path, shown: str, output: str, line: int) -> None:
    if _JSON.match(output):
        path = project.relative(folder / output)
        schema = parse_json(read_text(project.root, folder / output, path), path)
        if not isinstance(schema, dict):
            raise ProblemsError([Problem(path, 1, "must be a JSON Schema: a mapping")])
        if message := schema_problem(schema):
            raise ProblemsError([Problem(path, 1, message)])
    elif match := _PYTHON.match(output):
        _check_name(project, folder, shown, line, match)
    else:
        hint = "write schema.py:Booking or schema.json, beside prompt.yaml"
        raise ProblemsError([Problem(shown, line, f"output: {output!r} names no contract", hint)])


def check_python(project: Project, folder: Path, shown: str, check: CheckSpec) -> None:
    """Whether the function that a Python check in the file `shown` names can exist; raises `ProblemsError`."""
    match = REFERENCE.fullmatch(str(check.options))
    if match is None or PurePosixPath(match["file"]).is_absolute() or ".." in PurePosixPath(match["file"]).parts:
        hint = "write checks.py:polite, the file beside prompt.yaml"
        raise ProblemsError([Problem(shown, check.line, f"python: {check.options!r} names no function", hint)])
    _check_name(project, folder, shown, check.line, match)


def check_judge(project: Project, shown: str, check: CheckSpec) -> None:
    """Whether the prompt that a `judge` check in the file `shown` names is there; raises `ProblemsError`."""
    asked = parse_asked(check.options)
    names = project.prompt_names()
    if asked.prompt not in names:
        message = f"judge: there is no prompt {asked.prompt!r}{did_you_mean(asked.prompt, names)}"
        raise ProblemsError([Problem(shown, check.line, message, f"write prompts/{asked.prompt}/v1.j2")])
    folder = project.prompts_dir / asked.prompt
    if asked.version and not any((folder / name).is_file() for name in _version_names(asked.version)):
        message = f"judge: {asked.prompt!r} has no version {asked.version!r}"
        raise ProblemsError([Problem(shown, check.line, message, f"there is: promptops list {asked.prompt}")])


def _version_names(version: str) -> tuple[str, str]:
    return f"{version}.j2", f"released/{version}.json"


def _check_name(project: Project, folder: Path, shown: str, line: int, match: re.Match[str]) -> None:
    """Whether `file.py:name` can exist: the file parses and defines the name. Nothing is executed."""
    path = folder / match["file"]
    where = project.relative(path)
    if not path.exists() and not path.is_symlink():
        raise ProblemsError([Problem(shown, line, f"{match[0]}: there is no file {where}")])
    text = read_text(project.root, path, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        raise ProblemsError([Problem(where, error.lineno or 0, f"is not Python: {error.msg}")]) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise ProblemsError([Problem(where, 0, "is not Python that can be read: nested too deeply")]) from error
    names = set(_bound(tree))
    if match["name"] not in names and "*" not in names:
        near = did_you_mean(match["name"], names)
        raise ProblemsError([Problem(shown, line, f"{match[0]}: {where} defines no {match['name']!r}{near}")])


def _bound(tree: ast.Module) -> Iterator[str]:
    """The names that a module may bind at its top level, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
