"""What every command needs: the project, one prompt version by name, and the two streams.

Standard output holds the result only (with `--json` one JSON document), everything else goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.project.root import Project
    from promptops.reporting.lines import Line

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the manifest.")]
ServedByOption = Annotated[
    str | None, typer.Option("--env", metavar="ENV", help="The environment; the project's own if left out.")
]
NoCommitOption = Annotated[bool, typer.Option("--no-commit", help="Write the files, and leave the commit to you.")]
MessageOption = Annotated[
    str | None, typer.Option("--message", "-m", metavar="TEXT", help="The commit's subject line.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Decide and say so, and write nothing.")]


def current_project() -> Project:
    """The project of the current folder; raises `UsageError` or `ConfigError` where there is none."""
    from promptops.project.root import load_project

    return load_project(Path.cwd())


def prompt_and_version(text: str, *, example: str) -> tuple[str, str]:
    """Read `NAME@vN`; raises `UsageError` with `example`."""
    from promptops.core.select import parse_selector

    selector = parse_selector(text)
    if selector.kind != "version":
        raise UsageError(f"{text!r} does not name one version: write {example}")
    return selector.prompt, selector.version


def say(text: str = "") -> None:
    """Write one line of the result to standard output, harmless to a terminal."""
    from promptops.reporting.safe import terminal

    sys.stdout.write(terminal(text) + "\n")


def say_prose(text: str) -> None:
    """Write one line of prose, broken at words where a terminal is narrower."""
    from promptops.reporting.lines import Line, wrapped

    width = columns()
    for line in wrapped([Line(text)], width) if width else [Line(text)]:
        say(line.text)


def say_lines(lines: Iterable[Line]) -> None:
    """Write lines of a report, in colour where a terminal can, broken at words where it is narrower."""
    from promptops.reporting.lines import painted, wrapped

    width = columns()
    sys.stdout.write(painted(wrapped(lines, width) if width else lines, color=colour()) + "\n")


def note(text: str = "") -> None:
    """Write one line about the result to standard error, harmless to a terminal."""
    from promptops.reporting.safe import terminal

    sys.stdout.flush()  # where both streams end in one file, the lines keep their order
    sys.stderr.write(terminal(text) + "\n")


def emit_json(document: Any) -> None:
    """Write one JSON document to standard output: UTF-8, sorted keys, two spaces, nothing a terminal would obey.

    An iterator in it is written as a list, item by item.
    """
    from promptops.reporting.json_stream import json_pieces
    from promptops.reporting.safe import json_document

    for piece in json_pieces(document):
        sys.stdout.write(json_document(piece))
    sys.stdout.write("\n")


def columns() -> int | None:
    """How wide the terminal behind standard output is; None where there is none, and lines stay whole."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def colour() -> bool:
    """Whether standard output may be coloured: a terminal that can, and no `NO_COLOR`."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def finish(code: int) -> None:
    """End the command with an exit code (0 simply returns)."""
    if code:
        raise typer.Exit(code)
