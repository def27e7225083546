"""`python -m proof`: simulate, enumerate, and write `docs/proof/`.

The whole takes about half an hour, `--quick` seconds. What was found is kept as JSON, so that the pages can be written
again without it: `--from FILE`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from promptops.core.statistics.planning import Outlook
from proof import guardrails, nightly, passing, power, regress
from proof.pages import Found, goals, pages
from proof.rates import Rate

KINDS: dict[str, Callable[..., Any]] = {
    "regress": regress.Cell,
    "exact": passing.Exact,
    "passing": passing.Cell,
    "power": power.Cell,
    "coverage": power.Coverage,
    "years": nightly.Year,
    "delays": nightly.Delay,
    "correlated": Rate,
    "families": guardrails.Cell,
    "typical": guardrails.Typical,
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    found = load(options.source.read_text("utf-8")) if options.source else measure(quick=options.quick, say=_say)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(asdict(found), indent=1) + "\n", "utf-8")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(found).items():
        (options.out / name).write_text(text, "utf-8")
    missed = [f"{what}: {reached} (wanted {target})" for what, target, reached, met in goals(found) if not met]
    for line in missed:
        _say(f"not met: {line}")
    return 1 if missed else 0


def measure(*, quick: bool, say: Callable[[str], None]) -> Found:
    """Measure everything, the same from the same seeds."""
    return Found(
        regress=list(regress.cells(quick=quick, say=say)),
        exact=list(passing.exact_cells(quick=quick, say=say)),
        passing=list(passing.cells(quick=quick, say=say)),
        power=list(power.cells(quick=quick, say=say)),
        coverage=list(power.coverage(quick=quick, say=say)),
        years=list(nightly.years(quick=quick, say=say)),
        delays=list(nightly.delays(quick=quick, say=say)),
        correlated=list(nightly.correlated(quick=quick)),
        families=list(guardrails.cells(quick=quick, say=say)),
        typical=list(guardrails.typical_cells(quick=quick)),
    )


def load(text: str) -> Found:
    """Read back what was kept."""
    raw = json.loads(text)
    return Found(**{name: [kind(**_values(item)) for item in raw[name]] for name, kind in KINDS.items()})


def _values(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in item.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return Rate(**value) if set(value) == {"count", "total"} else Outlook(**value)
    return value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof", description="Check what the statistics promise.")
    parser.add_argument("--quick", action="store_true", help="a small part, in seconds")
    parser.add_argument("--out", type=Path, default=Path("docs/proof"), help="folder of the pages")
    parser.add_argument("--json", type=Path, help="keep what was found here")
    parser.add_argument("--from", dest="source", type=Path, help="write the pages from what was kept")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
