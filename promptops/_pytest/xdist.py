"""Under xdist one engine in the controller asks for all workers.

A worker knows all items and learns its own in chunks, so workers that ask would ask everything. Workers write what is
wanted into the run's folder, the controller asks, and workers read what it finds from the run store.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptops._pytest.asking import Pump, ReplaySource, StoreMailbox
from promptops._pytest.collection import check_collected
from promptops._pytest.progress import Display
from promptops._pytest.run import count
from promptops._pytest.running import ATTRIBUTE, begin, runs_items
from promptops._pytest.sources import PollingSource
from promptops.store.atomic import write_text

if TYPE_CHECKING:
    from promptops._pytest.run import Run

INPUT = "promptops"
"""The key of `workerinput` with what the controller tells a worker."""


def distributes(config: pytest.Config) -> bool:
    """Whether this process is the controller of a distributed run."""
    return (
        not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no" and not config.option.collectonly
    )


class Controller:
    """The hooks of the controller."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._run_id: str | None = None
        self._pump: Pump | None = None
        self._display: Display | None = None
        self._planned = False

    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        remote = [str(spec) for spec in specs if not spec.popen or getattr(spec, "chdir", None)]
        if remote:
            raise pytest.UsageError(
                f"promptops needs workers on this machine and in this folder, not {', '.join(remote)}: "
                "one engine asks for all of them through files; use -n instead of --tx"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="promptops-")

    def pytest_configure_node(self, node: Any) -> None:
        assert self._folder is not None
        selection = self.run.selection
        node.workerinput[INPUT] = {
            "folder": self._folder.name,
            "changed": sorted(selection.changed) if selection.changed is not None else None,
            "since": selection.since,
        }

    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        if self._planned:
            return
        self._planned = True
        assert self._folder is not None
        plan = json.loads((Path(self._folder.name) / f"{node.gateway.id}.json").read_text(encoding="utf-8"))
        self.run.collected = set(plan["collected"])
        for prompt, version, case in plan["wanted"]:
            target = self.run.target(prompt, version)
            self.run.wanted[prompt, version, case] = (target, target.case(case))
        self.run.counted = count(self.run.wanted)
        if not plan["errors"]:
            check_collected(self.run)
        if self.run.wanted and self.run.options.mode != "replay":
            self._start()

    def _start(self) -> None:
        assert self._folder is not None
        self.run.asked = begin(self.run)
        self._display = Display(self.run.config, self.run.asked.progress)
        eager = not self.run.config.getvalue("maxfail")
        self._pump = Pump(self.run.asked, Path(self._folder.name), eager=eager)
        self._pump.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            if self._pump is not None:
                self.run.engine_error = self._pump.close()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._pump is None:
            return
        if self.run.stopping:
            self._pump.cancel()
        elif (mark := getattr(report, ATTRIBUTE, None)) is not None and mark.kind == "case":
            self._pump.consumed(self.run.target(mark.data.prompt, mark.data.version).samples)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        if self._display is not None:
            self._display.between_items()

    def pytest_unconfigure(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


class Worker:
    """The hooks of a worker."""

    def __init__(self, run: Run, told: dict[str, Any]) -> None:
        self.run = run
        self._folder = Path(told["folder"])
        self._id: str = run.config.workerinput["workerid"]  # type: ignore[attr-defined]  # xdist's

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Before xdist tells the controller that this worker has collected."""
        self.run.want(session.items)
        plan = {
            "wanted": list(self.run.wanted),
            "collected": sorted(self.run.collected),
            "errors": session.testsfailed,
        }
        write_text(self._folder / f"{self._id}.json", json.dumps(plan))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if runs_items(session) and self.run.wanted:
            replays = self.run.options.mode == "replay"
            self.run.source = ReplaySource(self.run.session) if replays else _LateSource(self.run, self._folder)
        return (yield)


class _LateSource:
    """A polling source, opened at the first item: by then the controller has begun the run."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._folder = run, folder
        self._source: PollingSource | None = None

    def samples(self, target: Any, case: Any) -> Any:
        if self._source is None:
            self._source = PollingSource(StoreMailbox(self._run.project.store_dir, self._folder))
        return self._source.samples(target, case)
