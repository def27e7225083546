"""Draw the terminal pictures of README and docs from real output: `python docs/pictures.py` in a clone with recordings.

Every picture is one or more commands run in a scratch clone, their output with its colours, exported as SVG.
"""

from __future__ import annotations

import io
import os
import pty
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 110
PICTURES = {
    "test.svg": ("promptops", ["pytest --promptops prompts -q"]),
    "canary.svg": (
        "a colleague only reordered the examples",
        [
            "sh examples/worse-candidate.sh",
            "promptops canary sentiment@v3 --mode replay",
            "promptops promote sentiment@v3 --to production",
        ],
    ),
}


def main() -> None:
    for name, (title, commands) in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "promptops"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            for key, value in (("user.name", "You"), ("user.email", "you@example.invalid")):
                subprocess.run(["git", "config", key, value], cwd=clone, check=True)
            console = Console(record=True, width=COLUMNS, file=io.StringIO())
            for command in commands:
                console.print(Text(f"$ {command}", style="bold"))
                console.print(Text.from_ansi(terminal_output(command, clone)))
            console.save_svg(str(ROOT / "docs" / name), title=title)
            print(f"docs/{name}")


def terminal_output(command: str, folder: Path) -> str:
    """What `command` prints on a terminal of 110 columns."""
    program = shutil.which(
        shlex.split(command)[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [str(program), *shlex.split(command)[1:]], cwd=folder, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    chunks = []
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    process.wait()
    os.close(ours)
    return b"".join(chunks).decode("utf-8", errors="replace").replace("\r\n", "\n").rstrip()


if __name__ == "__main__":
    main()
