"""The whole way on a real model, in a scratch clone: test, change, canary, promote, roll back, watch for drift.

`make demo` runs this. Nothing here touches your working tree: commits, evidence and reports are made in the clone,
which stays for you to look at.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".promptops" / "demo"
BIN = Path(sys.executable).parent
BOLD, DIM, RESET = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


@dataclass(frozen=True)
class Step:
    """One command. `seconds` is what it takes on two idle cores, `code` the exit code that proves the point."""

    title: str
    command: str
    seconds: float
    code: int = 0


STEPS = [
    Step(
        "Test the served versions and the candidate live, on the embedded model (cases tagged quick)",
        "pytest --promptops prompts -q -k quick --promptops-mode live --promptops-report reports/live.html",
        75,
    ),
    Step(
        "Replay every case from the recordings in git: no network, no model",
        "pytest --promptops prompts -q --promptops-report reports/replay.html",
        4,
    ),
    Step(
        "A better candidate, asked live and interleaved with what is served (the first 20 cases)",
        "promptops canary booking@v3 --limit 20",
        56,
    ),
    Step(
        "The same on all recorded cases: this is the evidence for a promotion",
        "promptops canary booking@v3 --mode replay",
        3,
    ),
    Step(
        "Promote it, acknowledging the two cases that broke: manifest, released version and evidence in one commit",
        "promptops promote booking@v3 --to production --ack c10 --ack c36",
        3,
    ),
    Step("What production served, since when and why", "promptops history booking", 1),
    Step("Roll back: no network, no evidence needed", "promptops rollback booking --env production", 2),
    Step("A colleague only reordered the examples of sentiment: this is v3", "sh examples/worse-candidate.sh", 1),
    Step(
        "pytest goes red",
        "pytest --promptops prompts -q -rN --tb=no --promptops-select sentiment --promptops-report reports/worse.html",
        3,
        1,
    ),
    Step(
        "One of the failures, told like a code review",
        "pytest --promptops prompts -q -rN --promptops-select sentiment@v3 -k s01",
        3,
        1,
    ),
    Step("The canary, asked live (the first 20 cases), says no", "promptops canary sentiment@v3 --limit 20", 70, 1),
    Step("On all recorded cases, too", "promptops canary sentiment@v3 --mode replay", 3, 1),
    Step("And so does the promotion", "promptops promote sentiment@v3 --to production", 2, 1),
    Step("Does the served model still answer as it did?", "promptops drift --limit 5", 15),
    Step("Recompute everything that git says, offline", "promptops verify", 2),
]


def main() -> int:
    total = clock(sum(step.seconds for step in STEPS))
    print(f"{BOLD}promptops demo{RESET}: {len(STEPS)} steps, about {total} on two idle cores")
    clone()
    started, expected = time.monotonic(), 0.0
    for number, step in enumerate(STEPS, start=1):
        left = sum(other.seconds for other in STEPS[number - 1 :])
        pace = max(1.0, (time.monotonic() - started) / expected) if expected else 1.0
        print(f"\n{BOLD}[{number}/{len(STEPS)}] {step.title}{RESET}  {DIM}{clock(left * pace)} left{RESET}")
        print(f"{DIM}$ {step.command}{RESET}", flush=True)
        code = subprocess.run(shlex.split(step.command), cwd=SCRATCH, env=environment(), check=False).returncode
        if code != step.code:
            print(f"\nThis step ended in {code} instead of {step.code}. The clone is {SCRATCH}: look around there.")
            return 1
        expected += step.seconds
    report(time.monotonic() - started)
    return 0


def clone() -> None:
    """A fresh clone of what is committed here; commits made in it have a name of their own."""
    if SCRATCH.exists():
        shutil.rmtree(SCRATCH)
    SCRATCH.parent.mkdir(exist_ok=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(SCRATCH)], check=True)
    for key, value in (
        ("user.name", "promptops demo"),
        ("user.email", "demo@example.invalid"),
        ("commit.gpgsign", "false"),
    ):
        subprocess.run(["git", "config", key, value], cwd=SCRATCH, check=True)


def environment() -> dict[str, str]:
    """The environment with this virtual environment first on the path."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def report(seconds: float) -> None:
    print(f"\n{BOLD}Done in {clock(seconds)}.{RESET} Open:")
    for path in sorted((SCRATCH / "reports").glob("*.html")):
        print(f"  {path}")
    print(f"  {SCRATCH / 'prompts' / 'booking' / 'evidence' / 'v3.json'}")
    print(f"The clone with its commits is {SCRATCH} (git log there shows the promotion and the rollback).")


def clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"


if __name__ == "__main__":
    sys.exit(main())
