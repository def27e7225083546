"""A real PostgreSQL server on loopback, of the machine's own programs, with nothing in it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER = "promptops"
SECRET = "correct horse: battery/staple"
WHERE = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path
    programs: Path

    def url(self, database: str = "postgres", *, password: str = "", query: str = "") -> str:
        return f"postgresql://{USER}{password and ':' + password}@127.0.0.1:{self.port}/{database}{query}"

    def control(self, *arguments: str) -> None:
        """`pg_ctl`: start, stop."""
        log = str(self.folder / "log")
        command = [str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-l", log, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=unprivileged(), cwd=self.folder)


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`: on the path, or where distributions put them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    for pattern in WHERE:
        folders += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


def unprivileged() -> str | None:
    """Who runs the server: it refuses to be root's."""
    if os.geteuid():
        return None
    return next((name for name in ("postgres", "nobody") if _exists(name)), None)


def _exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


@contextlib.contextmanager
def running(found: Path) -> Iterator[Server]:
    """A server that wants a password over TCP, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="promptops-pg-"))
    user = unprivileged()
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(int(free.getsockname()[1]), folder, found)
    word = folder / "password"
    word.write_text(SECRET)
    word.chmod(0o644)
    initdb = [str(found / "initdb"), "-D", str(folder / "data"), "-U", USER, "--auth=scram-sha-256"]
    initdb += ["--pwfile", str(word), "--no-sync", "--encoding=UTF8", "--locale=C"]
    try:
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)
        options = f"-p {server.port} -h 127.0.0.1 -k {folder} -c fsync=off -c max_connections=40"
        server.control("-o", options, "start")
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.control("-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
