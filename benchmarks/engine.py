"""What promptops costs on top of asking: whole processes, timed in turn against the same loopback server.

    python benchmarks/engine.py [--cases 1000] [--rounds 3] [--latency 50ms] [--concurrency 32] [--json PATH]

Three things are timed, each as a process from start to exit, one after the other in every round:

* bare: a loop of aiohttp and nothing else that asks every case and reads the JSON;
* live: `pytest --promptops --promptops-mode live` over a project with the same cases, each checked against a JSON
  Schema and compared with its expected value;
* replay: `pytest --promptops` over the same project, from recordings.

The ratio of a round is its time over the bare loop's of the same round, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from promptops.testing import TemporaryProject

BARE = """
import asyncio, json, sys, aiohttp

async def main(url, path, concurrency):
    cases = iter([json.loads(line) for line in open(path, encoding="utf-8")])
    right = 0

    async def work(session):
        nonlocal right
        for case in cases:
            body = {"model": "model-1", "messages": [{"role": "user", "content": case["inputs"]["text"]}]}
            async with session.post(url + "/chat/completions", json=body) as response:
                text = (await response.json())["choices"][0]["message"]["content"]
                right += json.loads(text) == case["expected"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return right

print(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
"""
TEMPLATE = "---\nmodel: loop/model-1\nparams: {temperature: 0.0, max_tokens: 20}\n---\nIs this kind? {{ text }}"
SCHEMA = {
    "type": "object",
    "properties": {"sentiment": {"enum": ["positive", "negative"]}},
    "required": ["sentiment"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Row:
    """Seconds of each round, and the ratio to the bare loop of the same round."""

    name: str
    seconds: list[float]
    ratios: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="promptops-bench-") as folder, server(options.latency) as url:
        project = make_project(Path(folder), url, options.cases, options.concurrency)
        run_pytest(project, "--promptops-mode", "record")  # and compiles what is imported
        run_bare(project, url, options)
        times: dict[str, list[float]] = {"bare": [], "live": [], "replay": []}
        for _ in range(options.rounds):
            times["bare"].append(timed(lambda: run_bare(project, url, options)))
            times["live"].append(timed(lambda: run_pytest(project, "--promptops-mode", "live")))
            times["replay"].append(timed(lambda: run_pytest(project)))
    rows = [
        Row(name, seconds, [mine / bare for mine, bare in zip(seconds, times["bare"], strict=True)])
        for name, seconds in times.items()
    ]
    print(table(rows, options))
    if options.json:
        about = {"python": platform.python_version(), "cpus": os.cpu_count(), "load": os.getloadavg()}
        document = {**about, "options": {**vars(options), "json": None}, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", default="50ms")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    return parser.parse_args(arguments)


@contextmanager
def server(latency: str) -> Iterator[str]:
    """The loopback server as a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "promptops.testing", "--latency", latency]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def make_project(folder: Path, url: str, cases: int, concurrency: int) -> TemporaryProject:
    project = TemporaryProject(folder)
    project.provider("loop", url, concurrency=concurrency)
    project.prompt(
        "kind",
        versions={"v1": TEMPLATE},
        yaml="inputs: {text: string}\noutput: schema.json\nchecks: [schema, equals]\n",
        files={"schema.json": json.dumps(SCHEMA)},
    )
    rows = (
        {"id": f"c{number}", "inputs": {"text": f"Review {number}: fine."}, "expected": {"sentiment": "positive"}}
        for number in range(cases)
    )
    project.dataset("kind", rows)
    project.git_init()
    return project


def run_bare(project: TemporaryProject, url: str, options: argparse.Namespace) -> None:
    path = project.path / "fixtures/kind/cases.jsonl"
    done = run(project, [sys.executable, "-c", BARE, url, str(path), str(options.concurrency)])
    assert done.strip() == str(options.cases), done


def run_pytest(project: TemporaryProject, *arguments: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--promptops", *arguments]
    run(project, command)


def run(project: TemporaryProject, command: Sequence[str]) -> str:
    """Run in the project; returns its output, ends the benchmark with it where the process fails."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = str(project.path / ".pyc")  # compiled by the first run, as in daily use
    done = subprocess.run(command, cwd=project.path, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} … ended in {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def timed(work: object) -> float:
    assert callable(work)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def table(rows: Sequence[Row], options: argparse.Namespace) -> str:
    head = f"{options.cases} cases, {options.latency} each, {options.concurrency} in flight, {options.rounds} rounds"
    lines = [head, f"{'':8} {'median s':>9} {'ratio':>7}   seconds of each round"]
    for row in rows:
        each = " ".join(f"{seconds:.2f}" for seconds in row.seconds)
        lines.append(
            f"{row.name:8} {statistics.median(row.seconds):9.2f} {statistics.median(row.ratios):7.2f}   {each}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
