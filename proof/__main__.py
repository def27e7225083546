"""`python -m proof`: simulate, enumerate, and write `docs/proof/`.

The whole takes about half an hour on two quiet cores, `--quick` a minute. It is cut into pieces, each told when it is
done and kept in `--kept`, so that a run that was stopped goes on; a piece is done again when the source that it rests
on has changed. What was found is kept as JSON, so that the pages can be written again without it: `--from FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import convert, to_builtins

from proof import attempts, choosing, families, guardrails, nightly, passing, power, regress, sizes
from proof.pages import Found, goals, pages
from proof.rates import Rate
from proof.real import bench as real
from proof.tasks import Task, run_all

KINDS: dict[str, type] = {
    "regress": regress.Cell,
    "exact": passing.Exact,
    "passing": passing.Cell,
    "power": power.Cell,
    "coverage": power.Coverage,
    "years": nightly.Year,
    "delays": nightly.Delay,
    "correlated": Rate,
    "families": families.Family,
    "trials": guardrails.Cell,
    "typical": guardrails.Typical,
    "attempts": attempts.Attempts,
    "choices": choosing.Cell,
    "suites": sizes.Suite,
    "margins": sizes.Margin,
    "real": real.Cell,
    "costs": real.Cost,
}
KEPT = Path("build/proof")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    found = load(options.source.read_text("utf-8")) if options.source else measure(options)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(to_builtins(found), indent=1) + "\n", "utf-8")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(found).items():
        (options.out / name).write_text(text, "utf-8")
    missed = [f"{what}: {reached} (wanted {target})" for what, target, reached, met in goals(found) if not met]
    for line in missed:
        _say(f"not met: {line}")
    return 1 if missed else 0


def tasks(*, quick: bool) -> dict[str, Sequence[Task]]:
    """Everything that is measured, in pieces, by the part of `Found` that it is for."""
    return {
        "regress": list(regress.cells(quick=quick)),
        "exact": list(passing.exact_cells(quick=quick)),
        "passing": list(passing.cells(quick=quick)),
        "power": list(power.cells(quick=quick)),
        "coverage": list(power.coverage(quick=quick)),
        "years": list(nightly.years(quick=quick)),
        "delays": list(nightly.delays(quick=quick)),
        "correlated": list(nightly.correlated(quick=quick)),
        "families": list(guardrails.cells(quick=quick)),
        "trials": list(guardrails.trials(quick=quick)),
        "typical": list(guardrails.typical_cells(quick=quick)),
        "attempts": list(attempts.cells(quick=quick)),
        "choices": list(choosing.cells(quick=quick)),
        "suites": list(sizes.cells(quick=quick)),
        "margins": list(sizes.margins(quick=quick)),
        "real": list(real.cells(quick=quick)),
        "costs": list(real.costs()),
    }


def measure(options: argparse.Namespace) -> Found:
    """Measure everything, the same from the same seeds."""
    found = run_all(
        tasks(quick=options.quick),
        read={name: partial(_read, name) for name in KINDS},
        kept=options.kept,
        jobs=options.jobs,
        say=_say,
    )
    return Found(**found)


def load(text: str) -> Found:
    """Read back what was kept."""
    raw = json.loads(text)
    return Found(**{name: [_read(name, item) for item in raw[name]] for name in KINDS})


def _read(part: str, item: dict[str, Any]) -> Any:
    return convert(item, KINDS[part])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof", description="Check what the statistics promise.")
    parser.add_argument("--quick", action="store_true", help="a small part, in seconds")
    parser.add_argument("--out", type=Path, default=Path("docs/proof"), help="folder of the pages")
    parser.add_argument("--json", type=Path, help="keep what was found here")
    parser.add_argument(
        "--kept", type=Path, default=KEPT, help="folder of finished pieces; what is there is not redone"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--from", dest="source", type=Path, help="write the pages from what was kept")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
