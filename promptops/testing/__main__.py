"""`python -m promptops.testing --latency 50ms --port 0`: the loopback server as a process of its own.

The first line of output is the base URL. It serves until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from promptops.testing.loopback import LoopbackServer
from promptops.times import parse_duration

DEFAULT_ANSWER = '{"sentiment": "positive"}'


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m promptops.testing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--latency", type=_seconds, default=0.0, help="time before each answer: 50ms, 1s (default: none)"
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--answer", default=DEFAULT_ANSWER, help="what the model says (default: %(default)s)")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = LoopbackServer(options.answer, latency=options.latency, port=options.port, record=False).start()
    except (OSError, OverflowError) as error:
        parser.error(f"--port {options.port}: {error}")
    with server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _seconds(text: str) -> float:
    try:
        return 0.0 if text in ("0", "0s", "0ms") else parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
