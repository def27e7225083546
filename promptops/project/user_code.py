"""Python of the repository: output contracts (`schema.py:Booking`) and checks (`checks.py:polite`).

Each prompt folder is a package of its own under a unique name, so that two `schema.py` never meet; siblings are
imported relatively (`from .helpers import x`). The name holds a digest of the folder's Python, so an edited file is
loaded anew. What a module prints goes to stderr; its warnings stay warnings.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.core.checks.python import REFERENCE
from promptops.core.contract import Contract, JsonSchemaContract, PydanticContract, TextContract
from promptops.core.json_text import parse_strictly
from promptops.core.user_calls import Raised, call_user
from promptops.errors import Problem, ProblemsError, UserCodeError, did_you_mean
from promptops.project.prompt_file import fallback_problems

if TYPE_CHECKING:
    from promptops.project.prompts import Prompt
    from promptops.project.root import Project

MAX_FILES = 500  # Python files of one prompt folder
MAX_SCHEMA = 1024 * 1024  # bytes


def load_contract(prompt: Prompt) -> Contract:
    """The output contract that `output` in prompt.yaml names: a pydantic model, a JSON Schema file, or any text.

    Raises `UserCodeError` for Python that cannot be loaded or is no model, `ProblemsError` for a bad schema file.
    """
    written = prompt.spec.contract
    if written is None:
        return TextContract()
    if written.endswith(".json"):
        return _json_contract(prompt, written)
    model = _load(prompt.folder, written)
    from pydantic import BaseModel

    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise UserCodeError(written, "is not a pydantic model: write a class that derives from pydantic.BaseModel")
    try:
        with _quiet_warnings():
            return call_user(PydanticContract, model)
    except Raised as raised:
        raise UserCodeError(written, f"has no JSON Schema: {raised.reason}", detail=raised.trace) from raised


def check_fallback(project: Project, prompt: Prompt, contract: Contract) -> None:
    """Raise `ProblemsError` where the fallback in prompt.yaml does not satisfy the contract."""
    if prompt.spec.fallback is None:
        return
    shown = project.relative(prompt.folder / "prompt.yaml")
    if found := list(fallback_problems(prompt.spec.fallback, contract, prompt.document, shown)):
        raise ProblemsError(found)


def load_check(prompt: Prompt, reference: str) -> Callable[..., Any]:
    """The function behind a Python check. Raises `UserCodeError` where it cannot be one."""
    function = _load(prompt.folder, reference)
    if not callable(function):
        raise UserCodeError(reference, "is not a function")
    if inspect.iscoroutinefunction(function):
        raise UserCodeError(reference, "is async: a check is a plain function of (output, case)")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        raise UserCodeError(reference, "does not take the two arguments (output, case)") from None
    except ValueError:  # a builtin without a signature
        pass
    return function  # type: ignore[no-any-return]


def resolver(prompt: Prompt) -> Callable[[str], Callable[..., Any]]:
    """`load_check` for one prompt, each reference loaded once; what `judge` takes as `resolve_python`."""
    loaded: dict[str, Callable[..., Any]] = {}

    def resolve(reference: str) -> Callable[..., Any]:
        if reference not in loaded:
            loaded[reference] = load_check(prompt, reference)
        return loaded[reference]

    return resolve


def check_sources(prompt: Prompt, own: Iterable[str] = ()) -> dict[str, str]:
    """The source text of each file with Python checks of the prompt and its cases: what `measurement_of` digests.

    `own` are the checks (`checks.py:polite`) that cases bring themselves. Nothing is run. Raises `UserCodeError` for a
    file that is not there.
    """
    references = {str(spec.options) for spec in prompt.checks if spec.name == "python"}.union(own)
    files = sorted({reference.rpartition(":")[0] for reference in references})
    return {name: _source(_inside(prompt.folder, name, name), name) for name in files}


def contract_source(prompt: Prompt) -> str | None:
    """The source text of the file with the output contract's class; None where the contract is not Python.

    Nothing is run. Raises `UserCodeError` for a file that is not there.
    """
    written = prompt.spec.contract
    if written is None or written.endswith(".json"):
        return None
    name = written.rpartition(":")[0]
    return _source(_inside(prompt.folder, name, written), written)


def _json_contract(prompt: Prompt, written: str) -> JsonSchemaContract:
    path = _inside(prompt.folder, written, written)
    name = f"{prompt.folder.parent.name}/{prompt.folder.name}/{written}"
    try:
        text = path.read_bytes()[: MAX_SCHEMA + 1].decode("utf-8")
        if len(text) > MAX_SCHEMA:
            raise ValueError("is larger than 1 MiB")
        schema = parse_strictly(text.strip()).value
        if not isinstance(schema, dict):
            raise ValueError("is not a JSON object")  # noqa: TRY004 - of the file, not of an argument
        return JsonSchemaContract(schema)
    except OSError as error:
        raise ProblemsError([Problem(name, 0, f"cannot be read: {error.strerror}")]) from None
    except json.JSONDecodeError as error:
        raise ProblemsError([Problem(name, error.lineno, f"is not JSON: {error.msg}")]) from None
    except (ValueError, RecursionError) as error:
        raise ProblemsError([Problem(name, 0, str(error).splitlines()[0])]) from None


def _load(folder: Path, reference: str) -> Any:
    """The object that `file.py:name` names below `folder`."""
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise UserCodeError(reference, "names nothing: write a file and a name, such as schema.py:Booking")
    path = _inside(folder, match["file"], reference)
    module = _module(folder, path, reference)
    if not hasattr(module, match["name"]):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise UserCodeError(reference, f"{path.name} has no {match['name']!r}{did_you_mean(match['name'], names)}")
    return getattr(module, match["name"])


def _module(folder: Path, path: Path, reference: str) -> types.ModuleType:
    package = _package(folder)
    name = ".".join([package, *path.relative_to(folder.resolve()).with_suffix("").parts])
    if (loaded := sys.modules.get(name)) is not None:
        return loaded
    _source(path, reference)
    try:
        with _quiet_warnings(), _no_bytecode():
            return call_user(importlib.import_module, name)
    except Raised as raised:
        raise UserCodeError(reference, _import_words(raised, folder), detail=raised.trace) from raised


def _import_words(raised: Raised, folder: Path) -> str:
    message = f"{raised.reason.removesuffix('.')}"
    missing = re.fullmatch(r"ModuleNotFoundError: No module named '(\w+)'", message)
    if missing and (folder / f"{missing[1]}.py").is_file():
        return f"{message}; import a file beside it as `from .{missing[1]} import …`"
    return message


def _package(folder: Path) -> str:
    """The package of a prompt folder, made when first asked for."""
    digest = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape"))
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())[:MAX_FILES]
    for path in files:
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape") + b"\0" + path.read_bytes())
    name = f"_promptops_{re.sub(r'[^a-z0-9_]', '_', folder.name)}_{digest.hexdigest()[:16]}"
    if name not in sys.modules:
        package = types.ModuleType(name, "The Python of one prompt folder.")
        package.__path__ = [str(folder.resolve())]
        sys.modules[name] = package
        importlib.invalidate_caches()
    return name


def _inside(folder: Path, relative: str, reference: str) -> Path:
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UserCodeError(reference, "lies outside of the prompt's folder")
    if not path.is_file():
        raise UserCodeError(reference, f"there is no file {relative} in {folder.name}/")
    return path


def _source(path: Path, reference: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserCodeError(reference, f"cannot be read: {error}") from None


@contextmanager
def _quiet_warnings() -> Iterator[None]:
    """Warnings are shown as usual, even where the caller turns them into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """No `__pycache__` in a prompt folder."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
