"""How the command line ends when something went wrong: every error in words, a bug in a report file."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from promptops.errors import PromptopsError

#: The root of the errors of an option or argument. It has no public name in every typer, `BadParameter` has.
CLICK_ERROR: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def report_error(error: PromptopsError) -> None:
    """Show an error of ours on standard error, without any key and without what a terminal would obey."""
    from promptops.reporting.safe import terminal

    sys.stderr.write(f"{terminal(secretless(str(error), os.environ))}\n")


def interrupted() -> int:
    sys.stderr.write("interrupted\n")
    return 130


def silence_output() -> int:
    """The reader of our output went away (`| head`): say nothing, and keep Python's own last flush quiet."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
    return 141  # as a shell names SIGPIPE


def report_bug(error: BaseException, arguments: list[str], environ: Mapping[str, str]) -> int:
    """Write what a maintainer needs to a file without any key in it, name the file, and return exit code 70."""
    text = bug_text(error, arguments, environ)
    try:
        path: Path | None = _write_report(text)
    except OSError:
        path = None
    where = f"The report is {path}" if path else "No report could be written:\n\n" + text
    from promptops.reporting.safe import terminal

    name = terminal(f"{type(error).__name__}: {secretless(str(error), environ)}"[:300])
    sys.stderr.write(
        f"promptops has a bug, and stopped: {name}\n{where}\nPlease send it to the maintainers of promptops.\n"
    )
    return 70


def bug_text(error: BaseException, arguments: list[str], environ: Mapping[str, str]) -> str:
    """The text of a bug report: versions, command and traceback, never a value of `*_API_KEY`."""
    import shlex
    import traceback
    from importlib.metadata import version

    lines = [
        f"promptops {version('pytest-promptops')}, Python {platform.python_version()}, {platform.platform()}",
        f"command: promptops {shlex.join(arguments)}",
        "",
        *traceback.format_exception(error),
    ]
    return secretless("\n".join(lines), environ)


def secretless(text: str, environ: Mapping[str, str]) -> str:
    """`text` without any value of an environment variable named `*_API_KEY`."""
    from promptops.core.redact import Redactor, secrets_of

    return Redactor((), secrets_of(environ)).text(text)


def _write_report(text: str) -> Path:
    """Write to the project's store folder, or to the temporary folder outside any project."""
    import tempfile
    from datetime import UTC, datetime

    try:
        from promptops.project.root import load_project

        folder = load_project(Path.cwd()).store_dir / "bugs"
        folder.mkdir(parents=True, exist_ok=True)
    except Exception:
        folder = Path(tempfile.mkdtemp(prefix="promptops-bug-"))
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path
