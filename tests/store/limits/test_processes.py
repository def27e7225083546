from __future__ import annotations

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from promptops.store.limits.processes import ABANDONED, FRESH, FUTURE, UNHEARD, Process, boot_id, start_of

ME = Process.current()
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")


@linux
@pytest.mark.parametrize(
    ("change", "silent", "lives"),
    [
        ({}, 0.0, True),
        ({}, ABANDONED - 1, True),
        ({}, ABANDONED, False),
        ({"started": "1"}, FRESH, False),
        ({"started": "1"}, FRESH - 0.1, True),
        ({"started": ""}, UNHEARD - 1, True),
        ({"started": ""}, UNHEARD, False),
        ({"space": "of a container"}, UNHEARD - 1, True),
        ({"space": "of a container"}, UNHEARD, False),
        ({}, -1.0, True),
        ({}, -FUTURE, False),
    ],
)
def test_a_process_lives_by_its_number_its_start_and_what_was_heard_of_it(
    change: dict[str, str], silent: float, lives: bool
) -> None:
    assert replace(ME, **change).lives(silent=silent, seen_by=ME) is lives


@linux
def test_a_killed_process_is_gone_before_its_parent_has_collected_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = replace(ME, pid=process.pid, started=start_of(process.pid) or "")
    assert found.lives(silent=1.0, seen_by=ME)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not found.lives(silent=1.0, seen_by=ME)
    process.communicate()
    assert not found.lives(silent=1.0, seen_by=ME)


def test_without_knowing_when_processes_began_an_unused_number_says_that_one_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not Process(process.pid, "", ME.space).lives(silent=1.0, seen_by=ME)


def test_the_name_of_a_start_of_the_machine_fits_into_a_file_name() -> None:
    assert boot_id() == boot_id()
    assert boot_id().isalnum()
