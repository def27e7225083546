"""Switches the plugin on for one pytest process."""

from __future__ import annotations

import functools
import gc
import os
from pathlib import Path
from typing import Any

import pytest

from promptops._pytest import xdist
from promptops._pytest.changed import changed_prompts
from promptops._pytest.collection import Collecting
from promptops._pytest.options import Options, read_options
from promptops._pytest.reporting import Reporting
from promptops._pytest.run import Run
from promptops._pytest.running import Looping, Marking
from promptops._pytest.selection import Selection, select
from promptops._pytest.state import RUN
from promptops.errors import PromptopsError
from promptops.project.root import Project, load_project
from promptops.reporting.files import check_report_path
from promptops.reporting.safe import terminal
from promptops.runner.session import Choices, Session
from promptops.startup import collect_rarely, end_at_once, leave_out_httpx_command_line


def activate(config: pytest.Config) -> None:
    """Read the project and register the hooks; raises `pytest.UsageError` for what makes no sense."""
    told: dict[str, Any] | None = getattr(config, "workerinput", {}).get(xdist.INPUT)
    try:
        run = _run(config, told)
    except PromptopsError as error:
        raise pytest.UsageError(terminal(str(error))) from None
    config.stash[RUN] = run
    config.add_cleanup(functools.partial(gc.set_threshold, *collect_rarely()))
    end_at_once()
    leave_out_httpx_command_line()
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not _covered(config, run.project.prompts_dir):
        config.args.append(str(run.project.prompts_dir))
    for hooks in _hooks(run, told):
        config.pluginmanager.register(hooks, f"promptops-{type(hooks).__name__.lower()}")


def _covered(config: pytest.Config, folder: Path) -> bool:
    """Whether pytest is about to search a folder that holds the prompts."""
    return any(folder.is_relative_to(config.invocation_params.dir / arg) for arg in config.args)


def _run(config: pytest.Config, told: dict[str, Any] | None) -> Run:
    options = read_options(config)
    for path in options.reports:
        check_report_path(path)
    project = load_project(config.invocation_params.dir)
    choices = Choices(
        pin=options.model,
        samples=options.samples,
        concurrency=options.concurrency,
        caps=options.caps,
        accept=options.accept,
        cache=options.cache,
    )
    session = Session(project, options.mode, os.environ, choices)
    if options.mode != "replay":
        from promptops.runner.shelves import check_cache

        check_cache(session)
    return Run(config, options, session, _selection(project, options, told))


def _selection(project: Project, options: Options, told: dict[str, Any] | None) -> Selection:
    """What changed is looked up once: a worker is told by the controller."""
    if not options.changed:
        return select(project, options)
    if told is not None:
        return select(project, options, frozenset(told["changed"]), told["since"])
    return select(project, options, *changed_prompts(project, options.base))


def _hooks(run: Run, told: dict[str, Any] | None) -> list[object]:
    if told is not None:
        return [Collecting(run), Marking(run), xdist.Worker(run, told)]
    loop: object = xdist.Controller(run) if xdist.distributes(run.config) else Looping(run)
    return [Collecting(run), Marking(run), Reporting(run), loop]
