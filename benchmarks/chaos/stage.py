"""Where a scenario plays: hostile servers, a project, and promptops as its users start it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.counting import Log
from promptops.models import Json
from promptops.testing import TemporaryProject

ROOT = Path(__file__).absolute().parent.parent.parent
LONGEST = 240.0  # seconds that one process may take
_TEMPLATE = "---\nmodel: loop/model-1\nparams: {temperature: 0.0, max_tokens: 20}\n---\nWhat is number {{ n }}?"
_SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}


class HostileServer:
    """A hostile provider in a process of its own; `url` is its base URL."""

    def __init__(self, process: subprocess.Popen[str], conduct: Conduct) -> None:
        self._process = process
        self._say(json.dumps(conduct.to_json()))
        self.url = self._line()

    def log(self) -> Log:
        """What it counted so far."""
        self._say("log")
        return Log.from_json(json.loads(self._line()))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the hostile server has ended")
        return line.strip()


@dataclass(frozen=True)
class Ended:
    """A process of promptops that has ended: exit `code`, `wall` seconds, what it printed."""

    code: int
    wall: float
    output: str
    errors: str

    @cached_property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The cases of `promptops run --json`; empty where there is no such document."""
        try:
            versions = json.loads(self.output)["versions"]
        except (ValueError, KeyError):
            return []
        return [row for version in versions for row in version["cases"]]

    @property
    def said(self) -> str:
        """How it ended, in a few words."""
        lines = (self.errors.strip() or self.output.strip()).splitlines() or [""]
        line = next((line for line in lines if "has a bug" in line), lines[-1])
        return f"exit {self.code} after {self.wall:.1f} s: {line[:160]}"


class Running:
    """A process of promptops that was started and not yet waited for."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def ended(self, *, within: float = LONGEST) -> Ended:
        """Wait for the end; after `within` seconds it is killed, which gives exit code -9."""
        try:
            output, errors = self._process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            output, errors = self._process.communicate()
        return Ended(self._process.returncode, time.monotonic() - self._began, output, errors)

    def kill(self) -> None:
        """`kill -9` it, with all that it started; nothing where it has ended."""
        if self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None


def wait_for(done: Callable[[], bool], running: Sequence[Running], *, within: float = 60.0) -> None:
    """Wait until `done`, as long as one of `running` lives, and no longer than `within` seconds."""
    ends = time.monotonic() + within
    while time.monotonic() < ends and not done() and any(one.alive for one in running):
        time.sleep(0.02)


class Stage:
    """One scenario's own folder, home, servers and projects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0

    @contextmanager
    def server(self, conduct: Conduct) -> Iterator[HostileServer]:
        """Run a hostile provider while the block lasts."""
        command = [sys.executable, "-m", "benchmarks.chaos.server"]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as process:
            try:
                yield HostileServer(process, conduct)
            finally:
                process.kill()

    def project(self, cases: int, providers: Mapping[str, Mapping[str, Json]], **config: Json) -> TemporaryProject:
        """A project with `cases` cases of the pin loop/model-1, and these tables of providers."""
        self._number += 1
        project = TemporaryProject(self.folder / f"project-{self._number}")
        project.config("\n".join(f"{key} = {json.dumps(value)}" for key, value in config.items()))
        for name, settings in providers.items():
            rest = {key: value for key, value in settings.items() if key != "base_url"}
            project.provider(name, str(settings["base_url"]), **rest)
        contract = "inputs: {n: integer}\noutput: schema.json\nchecks: [schema, equals]\n"
        project.prompt("number", versions={"v1": _TEMPLATE}, yaml=contract, files={"schema.json": json.dumps(_SCHEMA)})
        project.dataset(
            "number", ({"id": f"c{n}", "inputs": {"n": n}, "expected": {"number": n}} for n in range(cases))
        )
        project.git_init()
        return project

    def start_run(self, project: TemporaryProject, *arguments: str, as_json: bool = True) -> Running:
        """Start `promptops run number@v1`, which prints JSON or words."""
        program = str(Path(sys.executable).parent / "promptops")
        command = [sys.executable, program, "run", "number@v1", "--no-evidence", *arguments]
        return Running([*command, *(["--json"] if as_json else [])], project.path, self.environment)

    def run(self, project: TemporaryProject, *arguments: str, as_json: bool = True, within: float = LONGEST) -> Ended:
        """The same, until its end."""
        return self.start_run(project, *arguments, as_json=as_json).ended(within=within)

    def start_pytest(self, project: TemporaryProject, *arguments: str) -> Running:
        """Start `pytest --promptops`, with no other plugin than xdist."""
        command = [sys.executable, "-m", "pytest", "-q", "-p", "promptops.pytest_plugin", "-p", "xdist", "--promptops"]
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ""}
        return Running([*command, *arguments], project.path, {**self.environment, **alone})

    def pytest(self, project: TemporaryProject, *arguments: str, within: float = LONGEST) -> Ended:
        """The same, until its end."""
        return self.start_pytest(project, *arguments).ended(within=within)

    @property
    def environment(self) -> dict[str, str]:
        """The environment with a home of its own: no limit is shared with anything else on this machine."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        dropped = ("XDG_", "PROMPTOPS_", "PYTEST_", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return {**kept, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "XDG_STATE_HOME": str(home / "state")}


def recorded(project: TemporaryProject) -> list[dict[str, Any]]:
    """The lines of the recordings that a run wrote."""
    files = (project.path / "fixtures/number/recordings").glob("*/*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def stored(project: TemporaryProject, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query to the run store."""
    with sqlite3.connect(project.path / ".promptops" / "store.db") as connection:
        return connection.execute(query).fetchall()
