"""What a shell is offered behind a command: prompts, versions, environments, pins, words of an option.

What fits is told by the `metavar` of an argument or option, so a new command needs nothing here. Asked at every press
of a key, it reads names of files and a few lines, and imports nothing that takes time: a project with a mistake in it
completes as well. Nothing is run, and an error offers nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "_PROMPTOPS_COMPLETE"
MOST: Final = 2000  # names that are offered
_HEAD: Final = 4096  # bytes of a version file in which its pin stands
_TABLE: Final = re.compile(r"^\s*\[\s*tool\s*\.\s*[\"']?promptops[\"']?\s*[\].]", re.MULTILINE)
_VERSION: Final = re.compile(r"v[1-9]\d*\Z")
_MODEL: Final = re.compile(r"^model:[ \t]*[\"']?([^\s\"'#]+/[^\s\"'#]+)", re.MULTILINE)
_ENVIRONMENT: Final = re.compile(r"^ {2}([a-z0-9][a-z0-9_\-]*):", re.MULTILINE)
_BREAKS: Final = frozenset("@:=")


class Names:
    """What a project's files are called."""

    def __init__(self, start: Path) -> None:
        self.root = _root(start)
        self.settings = _settings(self.root / "pyproject.toml")
        self.folder = self.root / str(self.settings.get("prompts", "prompts"))

    def prompts(self) -> list[str]:
        found = (path for path in self.folder.iterdir() if path.name[:1] not in "_." and path.is_dir())
        return sorted(path.name for path in found)

    def versions(self, prompt: str) -> list[str]:
        found = {path.stem for path in self.folder.glob(f"{prompt}/*.j2") if _VERSION.match(path.stem)}
        return sorted(found, key=lambda name: int(name[1:]))

    def environments(self) -> list[str]:
        manifest = self.folder / "manifest.yaml"
        text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
        _, _, below = text.partition("environments:")
        return sorted({str(self.settings.get("environment", "production")), *_ENVIRONMENT.findall(below)})

    def pins(self) -> list[str]:
        found: set[str] = set()
        for path in self.folder.glob("*/v*.j2"):
            with path.open(encoding="utf-8", errors="replace") as file:
                found.update(_MODEL.findall(file.read(_HEAD))[:1])
        return sorted(found)

    def refs(self) -> Iterator[str]:
        for prompt in self.prompts():
            yield from (f"{prompt}@{name}" for name in (*self.versions(prompt), *self.environments()))


def _selectors(names: Names) -> list[str]:
    groups = (f"env:{name}" for name in names.environments())
    return ["all", "candidate", *names.prompts(), *names.refs(), *groups]


def _versions(names: Names) -> list[str]:
    return [f"{prompt}@{version}" for prompt in names.prompts() for version in names.versions(prompt)]


_NAMED: Final[Mapping[str, Callable[[Names], list[str]]]] = {
    "NAME": Names.prompts,
    "JUDGE": lambda names: [*names.prompts(), *_versions(names)],
    "NAME@vN": _versions,
    "NAME[@vN]": lambda names: [*names.prompts(), *_versions(names)],
    "NAME[@vN|@ENV]": lambda names: [*names.prompts(), *names.refs()],
    "REF": lambda names: [*names.environments(), *{v for p in names.prompts() for v in names.versions(p)}],
    "A": lambda names: list(names.refs()),
    "B": lambda names: list(names.refs()),
    "SELECTOR": _selectors,
    "ENV": Names.environments,
    "PIN": Names.pins,
    "PIN,PIN…": Names.pins,
    "vN": lambda names: sorted({v for p in names.prompts() for v in names.versions(p)}),
    "SCHEDULER": lambda _: ["cron", "github", "gitlab", "kubernetes", "systemd"],
}


def offered(metavar: str, incomplete: str, *, start: Path) -> list[str]:
    """What fits behind an argument or option with that `metavar`; empty where nothing is known."""
    try:
        if metavar in _NAMED:
            found = _NAMED[metavar](Names(start))
        else:
            found = metavar.split("|") if re.fullmatch(r"[a-z0-9\-]+(\|[a-z0-9\-]+)+", metavar) else []
    except (OSError, ValueError):
        return []
    before, comma, last = incomplete.rpartition(",") if "," in metavar else ("", "", incomplete)
    return [f"{before}{comma}{name}" for name in found if name.startswith(last)][:MOST]


def complete_values(command: Any, *, prefix: str = "") -> None:
    """Let all arguments and options of a command, and of those below it, offer what fits.

    `prefix` is what the shell has in front of the part of the word that it replaces.
    """
    for inner in getattr(command, "commands", {}).values():
        complete_values(inner, prefix=prefix)
    for param in command.params:
        if isinstance(metavar := getattr(param, "metavar", None), str):
            param._custom_shell_complete = _completer(metavar, prefix)


def _completer(metavar: str, prefix: str) -> Callable[[Any, Any, str], list[str]]:
    def complete(_context: Any, _param: Any, incomplete: str) -> list[str]:
        return [value.removeprefix(prefix) for value in offered(metavar, incomplete, start=Path.cwd())]

    return complete


def mend_words(environ: MutableMapping[str, str]) -> str:
    """Put `booking@v3` together again, which bash takes for three words; return the part before the last of them.

    Bash breaks words at `@`, `:` and `=` (COMP_WORDBREAKS) and replaces what is behind the last break alone.
    """
    if not environ.get(VARIABLE, "").startswith("complete_bash"):
        return ""
    words = environ.get("COMP_WORDS", "").split("\n")
    try:
        place = int(environ.get("COMP_CWORD", ""))
    except ValueError:
        return ""
    whole, at, prefix = list[str](), 0, ""
    for number, word in enumerate(words[: place + 1]):
        is_break = bool(word) and set(word) <= _BREAKS
        joins = number > 1 and (is_break or (bool(words[number - 1]) and set(words[number - 1]) <= _BREAKS))
        prefix = (whole[-1] + (word if is_break else "")) if joins else ""
        if joins:
            whole[-1] += word
        else:
            whole.append(word)
        at = len(whole) - 1
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(whole), str(at)
    return prefix


def _root(start: Path) -> Path:
    folders = [start, *start.parents]
    for folder in folders:
        file = folder / "pyproject.toml"
        if file.is_file() and _TABLE.search(file.read_text(encoding="utf-8", errors="replace")):
            return folder
    return next((folder for folder in folders if (folder / "prompts").is_dir()), start)


def _settings(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    found = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("promptops", {})
    return found if isinstance(found, dict) else {}
