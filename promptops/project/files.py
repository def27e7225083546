"""Reading the files that people write: bounded, UTF-8, inside the project; what is wrong is a problem with a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from promptops.errors import Problem, ProblemsError
from promptops.models import Json
from promptops.project.strict_json import decode_strictly, json_problem

MAX_BYTES: Final = 1024 * 1024
MAX_JSON_DEPTH: Final = 50

T = TypeVar("T")


class Problems:
    """Collects the problems of several files, so that all are told at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, line: int, message: str, hint: str = "") -> None:
        self.found.append(Problem(path, line, message, hint))

    def catch(self, function: Callable[[], T]) -> T | None:
        """Return what `function` returns; None where it raised `ProblemsError`, whose problems are kept."""
        try:
            return function()
        except ProblemsError as error:
            self.found += error.problems
            return None

    def raise_any(self) -> None:
        if self.found:
            raise ProblemsError(self.found)


def matching(folder: Path, pattern: str) -> list[Path]:
    """What matches `pattern` below `folder`, sorted; nothing where a link leads in a circle or cannot be followed."""
    try:
        return sorted(folder.glob(pattern))
    except (OSError, RuntimeError):
        return []


def read_text(root: Path, path: Path, shown: str, *, limit: int = MAX_BYTES) -> str:
    """Return the text of a file below `root`, all line ends made a newline.

    `shown` is how problems name it, `limit` the most bytes it may have. Raises `ProblemsError` for a file that is
    missing, no file, outside of the project (through a symbolic link), too large, binary, no UTF-8 or begins with a
    byte order mark.
    """
    data = read_bytes(root, path, shown, limit)
    if b"\0" in data:
        _refuse(shown, data[: data.index(b"\0")].count(b"\n") + 1, "is binary: it holds a NUL byte", "text files only")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse(shown, 1, "is UTF-16", "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        _refuse(shown, line, f"is not UTF-8 (byte 0x{data[error.start]:02x})", "save it as UTF-8")
    if text.startswith("\ufeff"):
        _refuse(shown, 1, "begins with a byte order mark", "save it as UTF-8 without BOM")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line_text in enumerate(text.split("\n"), start=1):
        if line_text.startswith(("<<<<<<< ", ">>>>>>> ")):
            _refuse(shown, number, "has the marks of an unsettled merge", "settle it and remove them")
    return text


def read_bytes(root: Path, path: Path, shown: str, limit: int) -> bytes:
    """Return the bytes of a file below `root`, at most `limit`; raises `ProblemsError` as `read_text` does."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            _refuse(shown, 0, "leads out of the project through a symbolic link", "copy the file into the project")
        if not real.is_file():
            _refuse(shown, 0, "is a folder, not a file" if real.is_dir() else "is not a regular file")
        if real.stat().st_size > limit:
            _refuse(shown, 0, f"is larger than {limit // 1024} KiB", "split it, or move data into the dataset")
        return real.read_bytes()
    except FileNotFoundError:
        missing = "is a symbolic link to nothing" if path.is_symlink() else "does not exist"
        _refuse(shown, 0, missing)
    except RuntimeError:
        _refuse(shown, 0, "is a symbolic link that leads in a circle")
    except (OSError, ValueError) as error:
        _refuse(shown, 0, f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _refuse(shown: str, line: int, message: str, hint: str = "") -> NoReturn:
    raise ProblemsError([Problem(shown, line, message, hint)])


def parse_json(text: str, shown: str) -> Json:
    """Return the value of a JSON file; raises `ProblemsError` (duplicate keys, NaN and endless nesting included)."""
    try:
        value = decode_strictly(text)
    except (ValueError, RecursionError) as error:
        raise ProblemsError([json_problem(error, text, shown)]) from error
    if _depth(value) > MAX_JSON_DEPTH:
        raise ProblemsError([Problem(shown, 0, f"is nested deeper than {MAX_JSON_DEPTH} levels")])
    return value  # type: ignore[no-any-return]


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_JSON_DEPTH:
        depth += 1
        level = [
            item
            for node in level
            if isinstance(node, (dict, list))
            for item in (node.values() if isinstance(node, dict) else node)
        ]
    return depth
