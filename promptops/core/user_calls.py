"""Call Python of the repository: tracebacks are cut to its own frames, and what it prints reaches stderr, harmless."""

from __future__ import annotations

import io
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO, TypeVar

from promptops.core.harmless import terminal

T = TypeVar("T")

MAX_FRAMES = 12
MAX_CHARACTERS = 8_000
_OURS = __file__.removesuffix("user_calls.py")[:-1].removesuffix("core")
_STDLIB = traceback.__file__.removesuffix("traceback.py")
_LIBRARIES = ("site-packages", "dist-packages", "<frozen ")


class Raised(Exception):
    """User code raised: `reason` is `KeyError: 'time'`, `trace` the traceback of the user's own frames."""

    def __init__(self, error: BaseException) -> None:
        self.reason, self.trace = describe(error), user_traceback(error)
        super().__init__(self.reason)


class _Harmless(io.TextIOBase):
    """A stream that makes each text harmless before it goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> BinaryIO:
        return self._stream.buffer

    def write(self, text: str) -> int:
        self._stream.write(terminal(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """The stream is not theirs to close."""


class _Printing:
    """Sends what is printed inside to stderr, in whatever threads: who enters first redirects, the last one ends it.

    Two `contextlib.redirect_stdout` that overlap in two threads would leave the streams redirected for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._before: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._ours: TextIO | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._before = (sys.stdout, sys.stderr)
                self._ours = _Harmless(sys.stderr)  # type: ignore[assignment]
                sys.stdout = sys.stderr = self._ours

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for name, before in zip(("stdout", "stderr"), self._before, strict=True):
                    if getattr(sys, name) is self._ours:
                        setattr(sys, name, before)
                self._ours = None


_printing = _Printing()


def call_user(function: Callable[..., T], *arguments: Any, passing: tuple[type[BaseException], ...] = ()) -> T:
    """Call `function`; what it prints goes to stderr, so that a JSON document on stdout stays one.

    It may print what a model said, so nothing of it reaches a terminal as a command.

    Raises `Raised` for whatever it raises (`SystemExit` and pytest's outcomes included), except `KeyboardInterrupt`
    and the types in `passing`, which go through.
    """
    with _printing:
        return guarded(function, *arguments, passing=passing)


def guarded(function: Callable[..., T], *arguments: Any, passing: tuple[type[BaseException], ...] = ()) -> T:
    """Call `function`, which prints nothing; raises as `call_user` does."""
    try:
        return function(*arguments)
    except KeyboardInterrupt:
        raise
    except passing:
        raise
    except BaseException as error:
        raise Raised(error) from error


def describe(error: BaseException) -> str:
    """`ValueError: no such thing`, also for an exception whose `__str__` raises."""
    lines = traceback.format_exception_only(error)
    return (lines[-1].strip() if lines else type(error).__name__)[:MAX_CHARACTERS]


def user_traceback(error: BaseException) -> str:
    """The traceback with the frames of the repository only; all frames where none is (a bug in a library).

    At most `MAX_FRAMES` frames, the last ones, and `MAX_CHARACTERS` characters.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)] or list(frames)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(own[-MAX_FRAMES:])]
    if len(own) > MAX_FRAMES:
        lines.insert(1, f"  … {len(own) - MAX_FRAMES} frames left out\n")
    text = "".join([*lines, *traceback.format_exception_only(error)]).rstrip()
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS // 2] + "\n…\n" + text[-MAX_CHARACTERS // 2 :]


def _is_users(filename: str) -> bool:
    return not filename.startswith((_OURS, _STDLIB)) and not any(part in filename for part in _LIBRARIES)
