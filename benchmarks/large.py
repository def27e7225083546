"""What `promptops run` costs over very many cases: seconds, CPU seconds and peak memory of the whole process.

    python -m benchmarks.large [--live 100000] [--replay 100000,1000000] [--latency 1ms] [--json PATH]

Live cases are asked of the loopback server, replayed ones read from a recordings file that is made without asking. Each
case is checked against a JSON Schema and compared with its expected value.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.measuring import Command, measure
from benchmarks.server import ANSWER
from benchmarks.serving import Server, serving
from benchmarks.world import World, make_world
from promptops.core.plan import plan_samples
from promptops.models import Case, PlannedSample, Reply, Sample, Usage
from promptops.project.root import load_project
from promptops.runner.session import Session
from promptops.store.recording_lines import fields_of, render_line

Mode = Literal["live", "replay"]

PROMISED = 100_000  # cases
MOST_MEMORY = 200  # MB of live cases
MOST_GROWTH = 1.1  # of the peak memory, from the fewest replayed cases to the most
MOST_CPU = 1.5  # seconds for 1,000 live cases
LONGEST = 7200.0  # seconds that one process may take
WARM_UP = 8  # cases of the run that compiles what is imported


@dataclass(frozen=True, slots=True)
class Large:
    """One run over `cases` cases: seconds, CPU seconds, peak memory in bytes, and what went wrong (empty: nothing)."""

    mode: Mode
    cases: int
    wall: float
    cpu: float
    rss: int
    problem: str = ""

    @property
    def cpu_of_1000(self) -> float:
        """CPU seconds for 1,000 cases, the start of the process included."""
        return 1000 * self.cpu / self.cases


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised of large runs: `value` at most `limit`."""

    title: str
    value: float
    limit: float
    unit: str

    @property
    def held(self) -> bool:
        return self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Options:
    """How many cases are asked live and replayed (0 and none: not measured), of which server, how many in flight."""

    live: int = 100_000
    replay: Sequence[int] = field(default=(100_000, 1_000_000))
    latency: str = "1ms"
    concurrency: int = 32


def measure_large(options: Options, say: Callable[[str], None] = lambda _: None) -> list[Large]:
    """Run everything, one process after the other."""
    found = []
    with serving(options.latency) as server, tempfile.TemporaryDirectory(prefix="promptops-bench-") as folder:
        _run(make_large(Path(folder) / "small", server.url, WARM_UP, options.concurrency), "replay", server)
        wanted: list[tuple[Mode, int]] = [("live", options.live)] if options.live else []
        wanted += [("replay", count) for count in options.replay]
        for mode, count in wanted:
            say(f"{count:,} cases, {mode}: writing them")
            where = Path(folder) / f"{mode}-{count}"
            world = make_large(where, server.url, count, options.concurrency, recorded=mode == "replay")
            say(f"{count:,} cases, {mode}: running")
            found.append(_run(world, mode, server))
    return found


def promises_of(found: Sequence[Large]) -> list[Promise]:
    """What was promised of `PROMISED` cases and more, where they were measured without a problem."""
    sound = sorted((run for run in found if run.cases >= PROMISED and not run.problem), key=lambda run: run.cases)
    live, replayed = ([run for run in sound if run.mode == mode] for mode in ("live", "replay"))
    promises = [Promise(f"peak memory of {run.cases:,} live", run.rss / 1e6, MOST_MEMORY, "MB") for run in live]
    promises += [Promise("CPU of 1,000 live", run.cpu_of_1000, MOST_CPU, "s") for run in live]
    if len(replayed) > 1:
        few, many = replayed[0], replayed[-1]
        title = f"memory of {many.cases:,} replayed, to {few.cases:,}"
        promises.append(Promise(title, many.rss / few.rss, MOST_GROWTH, "times"))
    return promises


def make_large(folder: Path, url: str, count: int, concurrency: int, *, recorded: bool = True) -> World:
    """Write a project with `count` cases, and a recording of each, without holding them."""
    world = make_world(folder, url, count=1, concurrency=concurrency)
    with world.cases.open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"id": case.id, "inputs": case.inputs, "expected": case.expected}) + "\n"
            for case in map(_case, range(count))
        )
    if recorded:
        _record(world.folder, sorted(range(count), key=str))
    return World(url, count, concurrency, world.cases, world.folder, world.scratch)


def _case(number: int) -> Case:
    return Case(f"c{number}", {"text": f"Review {number}: fine."}, expected={"sentiment": "positive"})


def _record(folder: Path, numbers: Sequence[int]) -> None:
    session = Session(load_project(folder), "live", os.environ)
    target = session.target("kind", "v1")
    target.recordings_path.parent.mkdir(parents=True, exist_ok=True)
    plan = plan_samples(target.closure, map(_case, numbers))
    with target.recordings_path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _lines(plan))


def _lines(plan: Iterator[PlannedSample | Sample]) -> Iterator[str]:
    for planned in plan:
        assert isinstance(planned, PlannedSample)
        reply = Reply(ANSWER, "stop", Usage(20, 8), "model-1", latency=0.001)
        sample = Sample(planned.key, planned.digest, reply=reply)
        yield render_line(fields_of(sample, recorded_at="2026-01-01T00:00:00Z"))


def _run(world: World, mode: Mode, server: Server) -> Large:
    program = [sys.executable, str(Path(sys.executable).parent / "promptops")]
    argv = [*program, "run", "kind@v1", "--mode", mode, "--no-evidence"]
    done = measure(Command(argv, world.folder, {"HOME": str(world.scratch)}), server, longest=LONGEST)
    problem = f"ended in {done.code}: {done.output.strip()[-600:]}" if done.code else ""
    if not problem and f"{world.count} cases: {world.count} passed" not in done.output:
        problem = f"not every case passed: {done.output.strip()[-600:]}"
    if not problem and done.distinct != (world.count if mode == "live" else 0):
        problem = f"asked {done.distinct:,} of {world.count:,} cases"
    return Large(mode, world.count, done.wall, done.cpu, done.rss, problem)


def table(found: Sequence[Large]) -> str:
    """What was measured, and what was promised of it."""
    lines = [f"{'':8}{'cases':>11}{'wall s':>10}{'CPU s':>10}{'CPU s/1,000':>13}{'peak MB':>9}"]
    for run in found:
        figures = f"{run.wall:10.1f}{run.cpu:10.1f}{run.cpu_of_1000:13.3f}{run.rss / 1e6:9.0f}"
        lines.append(f"{run.mode:8}{run.cases:11,}{figures}  {run.problem}".rstrip())
    for promise in promises_of(found):
        held = "held" if promise.held else "missed"
        lines.append(f"{promise.title}: {promise.value:.2f} {promise.unit}, at most {promise.limit:g}: {held}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    options, path = parse(arguments)
    found = measure_large(options, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(found))
    if path is not None:
        document = {"options": asdict(options), "runs": [asdict(run) for run in found]}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if any(run.problem for run in found) else 0


def parse(arguments: Sequence[str] | None) -> tuple[Options, Path | None]:
    """The options of the command line, and where the figures are written."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--live", type=int, default=usual.live, help="live cases (default: %(default)s)")
    parser.add_argument("--replay", default=",".join(map(str, usual.replay)), help="replayed cases, in turn")
    parser.add_argument("--latency", default=usual.latency, help="how long the server takes (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=usual.concurrency, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there, too")
    found = parser.parse_args(arguments)
    replay = tuple(int(part) for part in found.replay.split(",") if part.strip())
    return Options(found.live, replay, found.latency, found.concurrency), found.json


if __name__ == "__main__":
    sys.exit(main())
