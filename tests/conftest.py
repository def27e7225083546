"""What holds for every test: no network but loopback, no writing to the home folder, explicit seeds."""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# Started in the background of a shell, a process ignores Ctrl-C, and so do its children: tests of Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Every test gets a home of its own, and so another cache folder: the real model file is found by its real place.
os.environ.setdefault("PROMPTOPS_CACHE_DIR", platformdirs.user_cache_dir("promptops"))

_SLOW = (HealthCheck.too_slow,)  # says how busy the machine is, not what the code does
settings.register_profile("promptops", deadline=None, derandomize=True, max_examples=60, suppress_health_check=_SLOW)
settings.load_profile("promptops")

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def _guard_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting anywhere but loopback (or to a unix socket) fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOOPBACK:
            raise AssertionError(f"a test tried to reach {address!r}; only loopback is allowed")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _guard_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home folder of a test is empty and its own; git knows a name there, and no key is in the environment."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.invalid\n[init]\n\tdefaultBranch = main\n"
        "[commit]\n\tgpgsign = false\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(home))
    # A pytest that a test starts makes its folders there too: else it clears away those of all former runs at its end.
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(home))
    for name in [name for name in os.environ if name.startswith(("XDG_", "GIT_", "PROMPTOPS_"))]:
        if name != "PROMPTOPS_CACHE_DIR":
            monkeypatch.delenv(name)
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that nobody named is the same in every run of a test: what decides under a false-alarm rate has one."""
    drawn = random.Random(7)
    monkeypatch.setattr(secrets, "randbits", drawn.getrandbits)
    monkeypatch.setattr(secrets, "randbelow", drawn.randrange)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
