"""`python -m benchmarks`: whole processes, timed in turn against the same loopback server.

Progress goes to standard error, the table to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import promptfoo, registry
from benchmarks.base import Contestant, Programs
from benchmarks.chart import draw
from benchmarks.goals import goals_of
from benchmarks.report import document, replaced, table
from benchmarks.rounds import Section, run_section
from benchmarks.serving import serving
from promptops.times import parse_duration


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    programs = Programs(peers=options.peers_python or sys.executable, promptfoo=promptfoo.find(options.promptfoo))
    with serving(options.latency) as server:
        results = [run_section(section, server, programs, _say) for section in sections(options) if section.contestants]
    promised = goals_of(results, latency=parse_duration(options.latency))
    asked_for = {name: value for name, value in vars(options).items() if name in _KEPT}
    found = document(results, promised, asked_for)
    print(table(found))
    _write(found, options)
    wrong = [row for result in results for row in result.rows if row.kind == "ours" and row.problem]
    for row in wrong:
        _say(f"{row.name}: {row.problem}")
    return 1 if wrong else 0


def _write(found: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Write what was asked for: the figures, the chart, the page of the docs."""
    if options.docs:
        options.json, options.svg = options.docs / "benchmarks.json", options.docs / "benchmarks.svg"
        text = (options.docs / "benchmarks.md").read_text(encoding="utf-8")
        (options.docs / "benchmarks.md").write_text(replaced(text, found), encoding="utf-8")
    for path in filter(None, (options.json, options.svg)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.svg:
        options.svg.write_text(draw(found), encoding="utf-8")


_KEPT = ("cases", "many", "rounds", "latency", "concurrency")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="cases side by side (default: %(default)s)")
    parser.add_argument("--many", type=int, default=10_000, help="cases of the large sections; 0 leaves them out")
    parser.add_argument("--rounds", type=int, default=3, help="how often all take their turn (default: %(default)s)")
    parser.add_argument("--latency", default="50ms", help="how long the server takes (default: %(default)s)")
    parser.add_argument("--concurrency", type=_numbers, default=[32, 128, 256], help="default: 32,128,256")
    parser.add_argument("--only", action="append", metavar="TEXT", help="contestants whose name contains it")
    parser.add_argument("--quick", action="store_true", help="200 cases, one round, nothing large")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there, too")
    parser.add_argument("--svg", type=Path, metavar="PATH", help="draw them there, too")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write figures, chart and page of the docs there")
    parser.add_argument(
        "--peers-python",
        default=os.environ.get("BENCH_PEERS_PYTHON"),
        metavar="PATH",
        help="an interpreter that has openai, pydantic-evals, deepeval, inspect_ai (or $BENCH_PEERS_PYTHON)",
    )
    parser.add_argument(
        "--promptfoo", default=os.environ.get("BENCH_PROMPTFOO"), metavar="PATH", help="default: the one on the PATH"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.cases, options.many, options.rounds = 200, 0, 1
        options.concurrency = options.concurrency[:1]
    return options


def sections(options: argparse.Namespace) -> list[Section]:
    """What is measured; the first concurrency is the one of the goals."""
    first, *wider = options.concurrency
    yardstick, plain = registry.YARDSTICK.name, registry.PLAIN_PYTEST.name
    rounds, cases, many = options.rounds, options.cases, options.many

    def chosen(contestants: Sequence[Contestant], beside: str) -> list[Contestant]:
        wanted = [one for one in contestants if not options.only or any(text in one.name for text in options.only)]
        return [one for one in contestants if one in wanted or one.name == beside] if wanted else []

    found = [
        Section("start", chosen(registry.START, registry.PYTHON.name), registry.PYTHON.name, 1, 1, max(rounds, 5)),
        Section("side by side", chosen(registry.SIDE_BY_SIDE, yardstick), yardstick, cases, first, rounds),
        Section("replay", chosen(registry.REPLAY, plain), plain, cases, first, rounds),
    ]
    if not many:
        return found
    large = [("live, many cases", first), *((f"live, {number} in flight", number) for number in wider)]
    found += [Section(key, chosen(registry.WIDE, yardstick), yardstick, many, number, 1) for key, number in large]
    plugin = [one for one in registry.REPLAY if one.kind != "peer"]
    return [*found, Section("replay, many cases", chosen(plugin, plain), plain, many, first, rounds)]


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if not numbers or min(numbers) < 1:
        raise ValueError(text)
    return numbers


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
