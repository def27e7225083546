"""What a process of ours, the command line or pytest with `--promptops`, sets before everything else."""

from __future__ import annotations

import atexit
import gc
import sys
from types import ModuleType

COLLECT_AFTER = 20_000  # objects: imports, items and samples make many, and hardly any of them is garbage


def collect_rarely() -> tuple[int, int, int]:
    """Let the garbage collector wait for more objects; returns what was set before, for `gc.set_threshold`."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    return before


def end_at_once() -> None:
    """Let the process end without a last search for garbage: a tenth of a second for memory that goes anyway."""
    atexit.register(gc.freeze)


def leave_out_httpx_command_line() -> None:
    """Keep httpx from importing its own command line, and with it click, rich and pygments where they are installed.

    That takes as long as all else that the first request needs, and nobody in this process calls it.
    """
    if "httpx" not in sys.modules:
        stub = ModuleType("httpx._main", "Left out: see promptops.startup.")
        stub.main = _no_command_line  # type: ignore[attr-defined]
        sys.modules.setdefault("httpx._main", stub)


def _no_command_line() -> None:
    raise SystemExit("the command line of httpx is not available in a process of promptops: call httpx itself")
