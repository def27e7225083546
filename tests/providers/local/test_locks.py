from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from promptops.providers.local.locks import exclusive


def test_a_second_holder_waits_and_then_gives_up(tmp_path: Path) -> None:
    told: list[str] = []
    lock = tmp_path / "a" / "lock"
    with (
        exclusive(lock, timeout=0),
        pytest.raises(TimeoutError, match="held by another process"),
        exclusive(lock, timeout=0.1, waiting=lambda: told.append("waiting")),
    ):
        pass
    assert told == ["waiting"]
    with exclusive(lock, timeout=0, waiting=lambda: told.append("again")):
        pass
    assert told == ["waiting"]


def test_a_lock_ends_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from promptops.providers.local.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), timeout=0): os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False)
    assert ended.returncode == -9
    with exclusive(tmp_path / "lock", timeout=0):
        pass
