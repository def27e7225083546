"""A project, a server that counts every sample, and processes that are cut short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from promptops.core.digest import sample_seed
from promptops.models import Pin
from promptops.store.recordings import recordings_path
from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.plugin.world import QUIET
from tests.runs_there import junit_cases, run_records, samples_there, timeless

PROMPTOPS = (sys.executable, "-m", "promptops.cli.main")
PYTEST = (sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider")
CASES, SAMPLES, IN_FLIGHT = 24, 2, 4
TOTAL = CASES * SAMPLES
PIN = Pin("test", "model-1")
NEVER = 3600.0  # seconds: longer than any test

Asked = tuple[str, int]  # case, sample index
_BY_SEED = {sample_seed(f"c{n}", index): (f"c{n}", index) for n in range(CASES) for index in range(SAMPLES)}


@dataclass
class Server:
    """Answers as the question deserves, after `delay` seconds, and counts how often each sample was asked.

    `text` makes answers long. With `enough`, what is asked beyond so many requests gets no answer: whoever asks cannot
    come to its end before it is killed.
    """

    delay: float = 0.03
    text: str = ""
    enough: int | None = None
    counts: Counter[Asked] = field(default_factory=Counter)

    def __call__(self, body: dict[str, Any]) -> Answer:
        asked = _BY_SEED[body["seed"]]
        self.counts[asked] += 1
        number = int(asked[0][1:])
        delay = self.delay if self.enough is None or self.counts.total() <= self.enough else NEVER
        return Answer("no" if number % 7 == 3 else f"yes, {number} {asked[1]}{self.text}", delay=delay)


class Place:
    """One project below `path`, asked of one server. Two places of one test know nothing of each other."""

    def __init__(self, path: Path, server: LoopbackServer, counting: Server) -> None:
        self.files = TemporaryProject(path)
        self.server, self.counting = server, counting
        self.files.provider("test", server.base_url, concurrency=IN_FLIGHT, retries=0)
        yaml = f"inputs: {{text: string}}\nsamples: {SAMPLES}\nchecks: [{{contains: 'yes'}}]\n"
        self.files.prompt("greet", versions={"v1": "Version 1: {{ text }}"}, yaml=yaml)
        self.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": f"say {n}"}} for n in range(CASES)])
        self.environ = {**os.environ, "HOME": str(path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
        (path / "home").mkdir()

    @property
    def store(self) -> Path:
        return self.files.path / ".promptops/store.db"

    @property
    def recordings(self) -> Path:
        return recordings_path(self.files.path / "fixtures", "greet", "v1", PIN)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Begin a command in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.files.path,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, command: Sequence[str], **options: Any) -> tuple[int, str, str]:
        """Run a command to its end: exit code, output and messages."""
        with self.start(command, **options) as process:
            out, err = process.communicate(timeout=120)
        self.settle()
        return process.returncode, out, err

    def settle(self) -> None:
        """Return when the server has counted whatever was sent to it by a process that is gone."""
        all_counted(self.server)

    # --- what is there

    def durable(self) -> set[Asked]:
        """The samples that are in the store, in whatever run."""
        if not self.store.exists():
            return set()
        found = (s for record in run_records(self.store) for s in samples_there(self.store, record.id))
        return {(sample.key.case, sample.key.index) for sample in found if sample.reply is not None}

    def recorded(self) -> list[dict[str, Any]]:
        """The lines of the recordings, without what depends on the moment."""
        path = self.recordings
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        moment = ("latency", "recorded_at", "digest")
        return [{key: value for key, value in json.loads(line).items() if key not in moment} for line in lines]

    def evidence(self) -> Any:
        path = self.files.path / "prompts/greet/evidence/v1.json"
        return timeless(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def report(self) -> Any:
        """The JSON report of pytest; its cases stand in the order in which they were reported."""
        document = timeless(json.loads((self.files.path / "report.json").read_text(encoding="utf-8")))
        return {**document, "cases": sorted(document["cases"], key=lambda row: str(row["case"]))}

    def junit(self) -> list[tuple[str, list[str]]]:
        """The test cases of the JUnit file, and what is inside them."""
        return junit_cases(self.files.path / "junit.xml")


@contextmanager
def places(path: Path, delay: float = 0.03, text: str = "") -> Iterator[Callable[[str], Place]]:
    """Makes places, each with a server of its own, while the block lasts."""
    servers: list[LoopbackServer] = []

    def make(name: str) -> Place:
        counting = Server(delay, text)
        servers.append(LoopbackServer(counting, record=False).start())
        return Place(path / name, servers[-1], counting)

    try:
        yield make
    finally:
        for server in servers:
            server.close()


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None, *, seconds: float = 60) -> None:
    """Wait until something holds, or `process` ended."""
    deadline = time.monotonic() + seconds
    while not true() and (process is None or process.poll() is None):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def all_counted(server: LoopbackServer) -> None:
    """Return when the server has read what others sent before: it accepts in turn, and reads all that there is to read.

    The second answer comes from a later round of its loop than the one that accepted this connection.
    """
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        for _ in range(2):
            connection.request("GET", "/v1/models")
            connection.getresponse().read()
    finally:
        connection.close()


def group_is_gone(group: int) -> bool:
    """Whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
