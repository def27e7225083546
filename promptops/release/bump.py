"""The next version of a prompt: a copy of another one, with another pin if that is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from promptops.core.strict_yaml import parse_yaml
from promptops.errors import ProblemsError, UsageError, did_you_mean
from promptops.models import Pin
from promptops.project.files import read_text
from promptops.project.prompts import version_names
from promptops.project.released import released_versions
from promptops.project.version_file import split_front_matter
from promptops.store.atomic import locked

if TYPE_CHECKING:
    from promptops.project.root import Project


class Bumped(Struct, frozen=True):
    """The file that was written, and the version that it is a copy of."""

    path: Path
    source: str

    @property
    def version(self) -> str:
        return self.path.stem


def bump(project: Project, name: str, *, pin: Pin | None = None) -> Bumped:
    """Copy the newest version of a prompt to the next number, with `pin` in place of its own.

    Raises `UsageError` for a prompt that is not there or has no version, and for front matter whose pin does not stand
    in a line of its own.
    """
    known = project.prompt_names()
    if name not in known:
        raise UsageError(f"there is no prompt named {name!r}{did_you_mean(name, known)}")
    folder = project.prompts_dir / name
    with locked(folder / "v1.j2"):
        versions = version_names(project, name)
        if not versions:
            raise UsageError(f"{name!r} has no version to copy: write {project.relative(folder)}/v1.j2")
        taken = [int(version[1:]) for version in (*versions, *released_versions(project, name))]
        new, newest = folder / f"v{max(taken) + 1}.j2", folder / f"{versions[-1]}.j2"
        text = read_text(project.root, newest, project.relative(newest))
        if pin is not None:
            text = with_pin(text, pin, project.relative(newest))
        with new.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    return Bumped(new, versions[-1])


def with_pin(text: str, pin: Pin, shown: str) -> str:
    """Return a version's text with another pin; every other byte stays. Raises `UsageError` as `bump` does."""
    head, _, _ = split_front_matter(text, shown)
    document = parse_yaml(head, path=shown, first_line=2)
    old = document.data.get("model") if isinstance(document.data, dict) else None
    lines, number = text.split("\n"), document.line("model") - 1
    if isinstance(old, str) and 0 < number < len(lines) and lines[number].count(old) == 1:
        lines[number] = lines[number].replace(old, str(pin))
        changed = "\n".join(lines)
        if _pin_of(changed, shown) == str(pin):
            return changed
    raise UsageError(f"{shown}: the model cannot be replaced where it stands: write it in a line of its own")


def _pin_of(text: str, shown: str) -> object:
    try:
        document = parse_yaml(split_front_matter(text, shown)[0], path=shown, first_line=2)
    except ProblemsError:
        return None
    return document.data.get("model") if isinstance(document.data, dict) else None
