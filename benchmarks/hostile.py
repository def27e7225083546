"""Is promptops correct where the provider is not? Counted at the server: `python benchmarks/hostile.py [--only TEXT]`.

Every scenario starts hostile servers and real processes of promptops, and says what must hold. Ends in 1 where
something did not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.chaos.claims import Finding
from benchmarks.chaos.scenarios import SCENARIOS
from benchmarks.chaos.scenarios.base import Scenario
from benchmarks.chaos.stage import Stage


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    chosen = [one for one in SCENARIOS if not options.only or any(text in one.name for text in options.only)]
    if options.list or not chosen:
        print("\n".join(one.name for one in SCENARIOS))
        return 0 if options.list else 2
    failed = 0
    for scenario in chosen:
        began = time.monotonic()
        findings = play(scenario, scenario.few if options.quick else scenario.cases)
        failed += sum(not finding.held for finding in findings)
        print(f"{scenario.name} ({time.monotonic() - began:.0f} s)")
        for finding in findings:
            print(f"  {'pass' if finding.held else 'FAIL'}  {finding.claim}: {finding.seen}", flush=True)
    print(f"{failed} claims do not hold" if failed else "everything holds")
    return 1 if failed else 0


def play(scenario: Scenario, cases: int) -> list[Finding]:
    """Play one scenario in a temporary folder; returns what held and what did not.

    One that cannot be played to its end is a claim that does not hold.
    """
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="promptops-hostile-", ignore_cleanup_errors=True) as folder:
        try:
            findings.extend(scenario.play(Stage(Path(folder)), cases))
        except Exception as error:
            return [*findings, Finding("it can be played", held=False, seen=repr(error))]
    return findings


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="TEXT", help="scenarios whose name contains it; repeatable")
    parser.add_argument("--quick", action="store_true", help="with few cases, as the tests do")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
