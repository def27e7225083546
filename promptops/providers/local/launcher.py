"""Find the server of a model, or start it: processes that want the same model share one server.

A lock file makes starting exclusive, a state file says how to reach what was started, and only the server's door
proves that the state still holds: a reused pid or port, a killed server or a leftover file is found by a handshake
that fails, and leads to a new server.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from promptops.errors import ProviderError, UsageError
from promptops.providers.local.catalog import LocalModel
from promptops.providers.local.files import cache_dir, verified
from promptops.providers.local.locks import exclusive
from promptops.providers.local.server import HOST, State, lock_of, read_state
from promptops.providers.local.settings import SETTINGS, engine_version, settings_digest

DOOR_TIMEOUT = 5.0  # seconds for the handshake
POLL = 0.05  # seconds


class Launcher(Struct, frozen=True):
    """Where servers are kept and how long things may take.

    `grace` is how many seconds a server that this launcher starts outlives its last user, `start_timeout` how many it
    may take to load the model; `program` is what is started.
    """

    cache: Path
    grace: float = 10.0
    start_timeout: float = 120.0
    program: tuple[str, ...] = (sys.executable, "-m", "promptops.providers.local.server")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Launcher:
        """The user's cache folder; `$PROMPTOPS_LOCAL_GRACE` overrides the grace period (seconds, up to a day)."""
        launcher = cls(cache_dir(environ))
        written = environ.get("PROMPTOPS_LOCAL_GRACE")
        if written is None:
            return launcher
        try:
            grace = float(written)
        except ValueError:
            grace = math.nan
        if not 0 <= grace <= 86_400:
            raise UsageError(f"PROMPTOPS_LOCAL_GRACE is {written!r}: write seconds, such as 10")
        return replace(launcher, grace=grace)

    def lease(self, model: LocalModel) -> Lease:
        """Return a lease of the server of `model`, which is started if it does not run; blocks meanwhile.

        Raises `MissingExtra` without llama.cpp, `ModelFileError` without the model, `ProviderError("connection")`
        with the tail of the server's log where it does not come up.
        """
        state_file = self.state_file(model)
        if lease := knock(state_file, model):
            return lease
        path = verified(model, self.cache)
        state_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with exclusive(lock_of(state_file), timeout=self.start_timeout + DOOR_TIMEOUT):
                return knock(state_file, model) or self._start(model, path, state_file)
        except TimeoutError as error:
            raise ProviderError(
                "connection", f"the server of {model.pin} is being started for too long: {error}"
            ) from error

    def state_file(self, model: LocalModel) -> Path:
        """One a model file, engine, settings and host (a home folder may be shared by machines)."""
        key = f"{model.sha256[:12]}-{settings_digest(SETTINGS, engine_version())}-{socket.gethostname()}"
        return self.cache / "servers" / f"{key}.json"

    def _start(self, model: LocalModel, path: Path, state_file: Path) -> Lease:
        log_file = state_file.with_suffix(".log")
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                self._command(model, path, state_file),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=state_file.parent,  # not the user's folder, whose modules would be imported first
                env={name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
                start_new_session=True,
            )
        try:
            lease = self._wait(process, state_file, model)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if lease is None:
            process.kill()
            how = process.wait()
            raise ProviderError("connection", _obituary(model, how, log_file))
        # Whoever started the server must collect it when it ends: a thread, because nobody waits for it here.
        threading.Thread(target=process.wait, name="promptops-local-server", daemon=True).start()
        return lease

    def _wait(self, process: subprocess.Popen[bytes], state_file: Path, model: LocalModel) -> Lease | None:
        until = time.monotonic() + self.start_timeout
        while process.poll() is None and time.monotonic() < until:
            if lease := knock(state_file, model):
                return lease
            time.sleep(POLL)
        return None

    def _command(self, model: LocalModel, path: Path, state_file: Path) -> list[str]:
        command = [*self.program, "--model", str(path), "--alias", model.model_id, "--sha256", model.sha256]
        return [*command, "--state", str(state_file), "--grace", str(self.grace)]


class Lease:
    """A connection to a server's door: the server stays while it is open. Close it, or end, and it is given back."""

    def __init__(self, state: State, door: socket.socket) -> None:
        self.state, self.door = state, door

    def close(self) -> None:
        self.door.close()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def knock(state_file: Path, model: LocalModel) -> Lease | None:
    """Ask at the door that `state_file` names for a lease; None where no server of `model` answers there."""
    state = read_state(state_file)
    if state is None or state.sha256 != model.sha256 or state.model != model.model_id:
        return None
    door = None
    try:
        door = socket.create_connection((HOST, state.door), timeout=DOOR_TIMEOUT)
        door.sendall(state.token.encode("ascii") + b"\n")
        if _line(door) == f"hello {state.pid}".encode():
            door.settimeout(None)
            return Lease(state, door)
    except OSError:
        pass
    if door is not None:
        door.close()
    return None


def _line(door: socket.socket) -> bytes:
    """One short line, read byte by byte so that nothing after it is lost."""
    line = b""
    while len(line) < 80 and (byte := door.recv(1)) and byte != b"\n":
        line += byte
    return line


def _obituary(model: LocalModel, how: int, log_file: Path) -> str:
    how_it_ended = f"ended with signal {-how}" if how < 0 else f"ended with exit code {how}"
    tail = log_file.read_bytes()[-2000:].decode("utf-8", "replace").strip()
    return f"the server of {model.pin} did not come up: it {how_it_ended}. The end of {log_file}:\n{tail or '(empty)'}"
