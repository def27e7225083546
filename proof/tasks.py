"""The work of the proof in pieces: done in several processes, and kept, so that a run that was stopped goes on."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import to_builtins

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Task:
    """One piece: `function(*arguments)` gives a record, or a list of them; `name` is told when it is done.

    What comes out depends on nothing but the arguments and the source: seeds are made of the arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def run(self) -> list[Any]:
        found = self.function(*self.arguments, **self.options)
        return found if isinstance(found, list) else [found]

    @property
    def digest(self) -> str:
        """Of arguments and files, and of the source of all that the function's module imports of this repository."""
        told = f"{self.function.__module__}.{self.function.__qualname__}{self.arguments!r}{self.options!r}"
        read = [hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files]
        return hashlib.sha256(f"{told}{read}\n{_source(self.function.__module__)}".encode()).hexdigest()[:24]


def done(tasks: Iterable[Task]) -> Iterator[Any]:
    """Do them here, one after the other."""
    for task in tasks:
        yield from task.run()


def run_all(
    parts: dict[str, Sequence[Task]],
    *,
    read: dict[str, Callable[[dict[str, Any]], Any]],
    kept: Path | None,
    jobs: int,
    say: Callable[[str], None],
) -> dict[str, list[Any]]:
    """Do the tasks of all parts in `jobs` processes; `read` makes a record of a part again from what is kept."""
    found: dict[tuple[str, int], list[Any]] = {}
    left: dict[tuple[str, int], Task] = {}
    for part, tasks in parts.items():
        for place, task in enumerate(tasks):
            file = _file(kept, task)
            if file is not None and file.exists():
                found[part, place] = [read[part](item) for item in json.loads(file.read_text("utf-8"))]
            else:
                left[part, place] = task
    total, started = len(found) + len(left), time.monotonic()
    if found:
        say(f"{len(found)} of {total} pieces are kept from before")
    for number, (key, items, seconds) in enumerate(_results(left, jobs), len(found) + 1):
        found[key] = items
        task = left[key]
        file = _file(kept, task)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_suffix(".part")
            unfinished.write_text(json.dumps(to_builtins(items)), "utf-8")
            unfinished.replace(file)
        say(f"[{number}/{total}, {_clock(time.monotonic() - started)}] {task.name}: {seconds:.0f} s")
    return {part: [item for place in range(len(tasks)) for item in found[part, place]] for part, tasks in parts.items()}


def _results(left: dict[tuple[str, int], Task], jobs: int) -> Iterator[tuple[tuple[str, int], list[Any], float]]:
    if jobs == 1:
        for key, task in left.items():
            yield key, *_timed(task)
        return
    with ProcessPoolExecutor(jobs) as workers:
        going: dict[Future[tuple[list[Any], float]], tuple[str, int]] = {
            workers.submit(_timed, task): key for key, task in left.items()
        }
        while going:
            for future in wait(going, return_when=FIRST_COMPLETED).done:
                yield going.pop(future), *future.result()


def _timed(task: Task) -> tuple[list[Any], float]:
    started = time.monotonic()
    return task.run(), time.monotonic() - started


def _file(kept: Path | None, task: Task) -> Path | None:
    return kept / f"{task.digest}.json" if kept is not None else None


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@cache
def _source(module: str) -> str:
    """The digests of a module and of all that it imports of this repository, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        waiting += _imports(path)
    texts = {name: _path(name) for name in sorted(seen)}
    parts = [f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in texts.items() if path]
    return "\n".join([*parts, f"python {sys.version_info[:2]}"])


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path(name: str) -> Path | None:
    if name.partition(".")[0] not in {"proof", "promptops"}:
        return None
    plain = ROOT / Path(*name.split("."))
    return next((path for path in (plain.with_suffix(".py"), plain / "__init__.py") if path.is_file()), None)
