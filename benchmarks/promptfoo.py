"""promptfoo: a configuration with the same cases and both assertions; telemetry, updates and sharing are off."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess

from benchmarks.base import Contestant, Programs, settings
from benchmarks.measuring import Command, environment
from benchmarks.world import SCHEMA, World

_QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_SHARING": "1",
    "PROMPTFOO_SELF_HOSTED": "1",
}


def find(given: str | None) -> str:
    """The program: what was given, else what is on the path; empty where there is none."""
    return given or shutil.which("promptfoo") or ""


def _configuration(world: World) -> dict[str, object]:
    rows = [json.loads(line) for line in world.cases.read_text(encoding="utf-8").splitlines()]
    provider = {"apiBaseUrl": world.url, "apiKey": "none", "temperature": 0.0, "max_tokens": 20}
    return {
        "prompts": ["Is this kind? {{text}}"],
        "providers": [{"id": "openai:chat:model-1", "config": provider}],
        "defaultTest": {
            "assert": [
                {"type": "is-json", "value": SCHEMA},
                {"type": "javascript", "value": "JSON.parse(output).sentiment === context.vars.sentiment"},
            ]
        },
        "tests": [{"vars": {"text": row["inputs"]["text"], **row["expected"]}} for row in rows],
    }


def _command(name: str, *, cached: bool) -> Contestant:
    def command(world: World, programs: Programs) -> Command:
        path = world.scratch / "promptfoo.json"
        path.write_text(json.dumps(_configuration(world)), encoding="utf-8")
        home = str(world.scratch / "promptfoo")
        argv = [programs.promptfoo, "eval", "-c", str(path), "-j", str(world.concurrency), "--no-progress-bar"]
        argv += ["--no-table", "--no-share"] if cached else ["--no-table", "--no-share", "--no-cache"]
        places = {"PROMPTFOO_CONFIG_DIR": home, "PROMPTFOO_CACHE_PATH": f"{home}/cache"}
        return Command(argv, world.scratch, {**settings(world), **_QUIET, **places})

    before, asks = (command, False) if cached else (None, True)
    return Contestant(name, "peer", command, _right, lambda p: _version(p.promptfoo), before, asks=asks, slow=True)


def _right(output: str) -> int:
    found = re.findall(r"(\d+) passed|Successes: (\d+)", re.sub(r"\x1b\[[0-9;]*m|,", "", output))
    return int(next(filter(None, found[-1]))) if found else -1


@functools.cache
def _version(program: str) -> str:
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, "--version"],
            env=environment(_QUIET),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
            timeout=120,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout.split() or [""])[-1]


PROMPTFOO = _command("promptfoo", cached=False)
WARM_PROMPTFOO = _command("promptfoo, warm cache", cached=True)
