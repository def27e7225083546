"""Which project a folder belongs to, and where its files are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from promptops.config import Config, parse_config
from promptops.errors import ConfigError, Problem, UsageError

# Folders that pytest never enters (`norecursedirs`), and words that selectors have taken.
RESERVED_NAMES: Final = frozenset(["all", "build", "candidate", "cvs", "dist", "node_modules", "venv"])

MAX_CONFIG: Final = 1024 * 1024  # bytes of pyproject.toml

_TABLE: Final = re.compile(r"^\s*\[\s*tool\s*\.\s*[\"']?promptops[\"']?\s*[\].]", re.MULTILINE)
_MARKS: Final = ("prompt.yaml", "*.j2")


class Project(Struct, frozen=True):
    """A repository, or a part of one, with prompts. `root` is absolute and free of symbolic links."""

    root: Path
    config: Config

    @property
    def prompts_dir(self) -> Path:
        return self.root / self.config.prompts

    @property
    def fixtures_dir(self) -> Path:
        return self.root / self.config.fixtures

    @property
    def store_dir(self) -> Path:
        return self.root / self.config.store

    def relative(self, path: Path) -> str:
        """Return `path` as people write it: from the root, with `/`; as it is where it lies outside."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)

    def prompt_names(self) -> list[str]:
        """Return the names of all prompts, sorted: folders with a template or a prompt.yaml, `_shared` left out."""
        try:
            folders = [path for path in self.prompts_dir.iterdir() if path.name[:1] not in ("_", ".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            where = self.relative(self.prompts_dir)
            raise ConfigError([Problem(where, 0, f"cannot be read: {error.strerror or error}")]) from error
        return sorted(path.name for path in folders if _is_prompt(path))


def _is_prompt(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(True for mark in _MARKS for _ in folder.glob(mark))
    except OSError:
        return True  # loading it says what is wrong


def find_root(start: Path) -> Path:
    """Return the project's root for `start`, a file or folder in it.

    That is the nearest folder upwards whose pyproject.toml has `[tool.promptops]`, else the nearest one with a folder
    `prompts/`. Raises `UsageError` where there is neither.
    """
    here = start.resolve()
    folders = [here, *here.parents]
    for folder in folders:
        if _has_table(folder / "pyproject.toml"):
            return folder
    for folder in folders:
        if (folder / "prompts").is_dir():
            return folder
    raise UsageError(
        f"there is no promptops project at {start} or above it: no pyproject.toml with [tool.promptops], no folder "
        "prompts/\nStart one with: promptops init"
    )


def _has_table(path: Path) -> bool:
    try:
        return path.is_file() and _TABLE.search(_head(path).decode("utf-8", "replace")) is not None
    except OSError:
        return False


def _head(path: Path) -> bytes:
    """The file, as far as a configuration may be long."""
    with path.open("rb") as file:
        return file.read(MAX_CONFIG)


def load_project(start: Path) -> Project:
    """Return the project that `start` belongs to.

    Raises `UsageError` where there is none and `ConfigError` where its pyproject.toml is wrong.
    """
    root = find_root(start)
    path = root / "pyproject.toml"
    try:
        if path.is_file() and path.stat().st_size > MAX_CONFIG:
            raise ConfigError([Problem("pyproject.toml", 0, f"is larger than {MAX_CONFIG // 1024} KiB")])
        text = path.read_bytes().decode("utf-8") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("pyproject.toml", 0, "is not UTF-8")]) from error
    except OSError as error:
        raise ConfigError([Problem("pyproject.toml", 0, f"cannot be read: {error.strerror or error}")]) from error
    config = parse_config(text)
    found = [
        Problem(
            "pyproject.toml",
            0,
            f"tool.promptops.{key}: {name!r} is no folder inside the project",
            f'write {key} = "{key}"',
        )
        for key, name in (("prompts", config.prompts), ("fixtures", config.fixtures), ("store", config.store))
        if not _is_inside(root, name)
    ]
    if found:
        raise ConfigError(found)
    return Project(root, config)


def _is_inside(root: Path, name: str) -> bool:
    if not name or "\0" in name or Path(name).is_absolute():
        return False
    try:
        return (root / name).resolve().is_relative_to(root) and (root / name).resolve() != root
    except (OSError, RuntimeError):
        return False
