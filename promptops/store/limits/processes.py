"""Which process is which, and whether it still lives: a number alone is given to another process some day."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from msgspec import Struct

FRESH = 0.5  # seconds since a process was heard of within which nobody looks whether it lives
UNHEARD = 10.0  # seconds of silence after which a process is gone that cannot be looked up
ABANDONED = 120.0  # seconds of silence after which one is gone that lives, such as one that was stopped with Ctrl-Z
FUTURE = 5.0  # seconds; what was heard that far in the future was heard before the last start of the machine


class Process(Struct, frozen=True):
    """A process. `started` and `space` (of process numbers: a container has its own) are empty where unknown."""

    pid: int
    started: str
    space: str

    @classmethod
    def current(cls) -> Process:
        """The process that asks."""
        try:
            space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - not a path but a name
        except OSError:
            space = ""
        return cls(os.getpid(), start_of(os.getpid()) or "", space)

    def lives(self, *, silent: float, seen_by: Process) -> bool:
        """Whether this process, last heard of `silent` seconds ago, still lives, as `seen_by` can tell."""
        if -FUTURE < silent < FRESH:
            return True
        if not -FUTURE < silent < ABANDONED:
            return False
        if self.space != seen_by.space:
            return silent < UNHEARD
        if self.started and seen_by.started:
            return start_of(self.pid) == self.started
        return silent < UNHEARD and _exists(self.pid)


def start_of(pid: int) -> str | None:
    """When a process began, in the kernel's own words; None where it ended, is a zombie or cannot be looked up.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime); only Linux has it.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return fields[19].decode("ascii", "replace")


def boot_id() -> str:
    """A name for the time since this machine started, over which its clock goes on; `unknown` where it has none.

    Then times that were noted before the last start are told by lying in the future, or by being minutes old.
    """
    found = _sysctl("kern.bootsessionuuid") if sys.platform == "darwin" else _text("/proc/sys/kernel/random/boot_id")
    letters = "".join(letter for letter in found.lower() if letter.isalnum())
    return letters[:32] or "unknown"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _sysctl(name: str) -> str:
    """A text of the kernel of macOS; empty where there is none."""
    import ctypes

    try:
        value, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        failed = ctypes.CDLL(None).sysctlbyname(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0))
    except (OSError, AttributeError):
        return ""
    return "" if failed else value.value.decode("ascii", "replace")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
