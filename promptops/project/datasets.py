"""Datasets: found, read line by line, and every bad row reported at once.

A dataset is `fixtures/<prompt>/cases.jsonl`, `.yaml`, `.yml` or `.csv`, or the file that `dataset` in prompt.yaml names
(relative to the project root). `expected` is written in normalised form, as the output contract dumps it: `14:30:00`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from promptops.core.cases import InputCheck, Row, RowReader
from promptops.core.judging import Asked, judges_named
from promptops.core.measurement import digest_among
from promptops.errors import Problem, ProblemsError
from promptops.models import Case
from promptops.project.dataset_cases import HELD, HELD_BYTES, StreamedCases, gather
from promptops.project.dataset_formats import READERS
from promptops.project.dataset_index import CaseIndex

if TYPE_CHECKING:
    from promptops.project.prompts import Prompt
    from promptops.project.root import Project

MAX_SHOWN = 100  # problems of one dataset that are listed
ENDINGS = ", ".join(READERS)

Schemas = Mapping[str, Mapping[str, Any]]
_State = tuple[int, int, int]  # size in bytes, time of the last change, inode


class Dataset(Struct, frozen=True):
    """The cases of a prompt in the order of the file, which is read again for them where they are many.

    `digest` does not depend on that order; `python` are the Python checks that cases bring themselves,
    `judges` what their `judge` checks ask.
    """

    cases: Sequence[Case]
    path: Path
    digest: str
    python: frozenset[str] = frozenset()
    judges: frozenset[Asked] = frozenset()


def cases_of(project: Project, prompt: Prompt) -> Sequence[Case]:
    """The cases of `prompt`, none where it has no dataset. Raises `ProblemsError`."""
    dataset = dataset_of(project, prompt)
    return dataset.cases if dataset is not None else ()


def dataset_of(project: Project, prompt: Prompt) -> Dataset | None:
    """Load the dataset of `prompt`, None where it has none. Raises `ProblemsError`."""
    path = find_dataset(project, prompt.name, prompt.spec.dataset)
    return None if path is None else load_dataset(path, root=project.root, inputs=prompt.inputs, hold=HELD)


def find_dataset(project: Project, name: str, written: str | None = None) -> Path | None:
    """Where the dataset of prompt `name` is: `written` in prompt.yaml, else `cases.*` in its fixtures folder.

    Raises `ProblemsError` where there are several, where the written one is missing, or where its ending is unknown.
    """
    if written is not None:
        return _written(project.root, written, f"{project.relative(project.prompts_dir / name)}/prompt.yaml")
    folder = project.fixtures_dir / name
    found = sorted(folder.glob("cases.*")) if folder.is_dir() else []
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ProblemsError([Problem(_relative(folder, project.root), 0, f"has several datasets: {names}", "keep one")])
    return found[0] if found else None


def _written(root: Path, written: str, where: str) -> Path:
    path = root / written
    if not _inside(path, root):
        raise ProblemsError([Problem(where, 0, f"dataset {written!r} lies outside of the project")])
    if not _is_file(path):
        shown = written if len(written) <= 200 else f"{written[:200]}…"
        raise ProblemsError([Problem(where, 0, f"dataset {shown!r} does not exist", "it is relative to the project")])
    return path


def load_dataset(path: Path, *, root: Path, inputs: Schemas | None = None, hold: int = HELD) -> Dataset:
    """Read a dataset. `inputs` are the prompt's input schemas (None: not checked); up to `hold` cases stay in memory.

    Raises `ProblemsError` with the problems of every row, the first `MAX_SHOWN` of them worded. So does iterating over
    the cases of a large one, where the file was written to since.
    """
    state = _state_of(path)
    python: set[str] = set()
    judges: set[Asked] = set()
    with closing(CaseIndex(at_once=hold)) as index:
        cases = gather(
            lambda: _sound(path, root, inputs, index, python, judges), hold=hold if state[0] <= HELD_BYTES else 0
        )
        digest = index.dataset_digest()
    if isinstance(cases, StreamedCases):
        hold = min(hold, len(cases) * HELD_BYTES // max(1, state[0]))
        cases = StreamedCases(partial(_read_again, path, root, inputs, state), len(cases), hold=hold)
    return Dataset(cases, path, digest, frozenset(python), frozenset(judges))


def _sound(
    path: Path, root: Path, inputs: Schemas | None, index: CaseIndex, python: set[str], judges: set[Asked]
) -> Iterator[Case]:
    """Yield the cases of a dataset as long as nothing is wrong with it; raise with every problem at its end."""
    problems: list[Problem] = []
    count = cases = 0
    for item in iter_dataset(path, root=root, inputs=inputs, index=index):
        if isinstance(item, Problem):
            count += 1
            if count <= MAX_SHOWN + 1:
                problems.append(item)
        elif not count:
            cases += 1
            index.add(item.id, digest_among(item))
            python.update(str(spec.options) for spec in item.checks if spec.name == "python")
            judges.update(judges_named(item.checks))
            yield item
    if count > MAX_SHOWN:
        last = problems.pop()
        problems.append(Problem(last.path, last.line, f"and {count - MAX_SHOWN:,} more problems from here on"))
    if not cases and not problems:
        problems = [Problem(_relative(path, root), 0, "holds no case", "write one, or delete the file")]
    if problems:
        raise ProblemsError(problems)


def iter_dataset(
    path: Path, *, root: Path, inputs: Schemas | None = None, index: CaseIndex | None = None
) -> Iterator[Case | Problem]:
    """Yield the cases and problems of a dataset as they are read; the text is never held as a whole (YAML is).

    `index` remembers ids, so that each is taken once.
    """
    name = _relative(path, root)
    if (problem := _unreadable(path, root, name)) is not None:
        yield problem
        return
    schemas = inputs or {}
    check = None if inputs is None else _input_check(inputs)
    reader = RowReader(name, index or CaseIndex(), check_inputs=check, names=frozenset(schemas))
    try:
        with path.open("rb") as stream:
            for row in READERS[path.suffix.lower()](stream, name, schemas):
                yield from _items(row, reader)
    except OSError as error:
        yield Problem(name, 0, f"cannot be read: {error.strerror}")


def _read_again(path: Path, root: Path, inputs: Schemas | None, state: _State) -> Iterator[Case]:
    """Yield the cases of a dataset that was fine when its file was in `state`."""
    name = _relative(path, root)
    written = ProblemsError([Problem(name, 0, "was written to while it was in use", "run this again")])
    reader = RowReader(name, CaseIndex())
    try:
        with path.open("rb") as stream:
            rows = READERS[path.suffix.lower()](stream, name, inputs or {}, fine=True)
            for row in rows if _state_of(path) == state else ():
                if isinstance(row, Problem):
                    raise ProblemsError([row])
                yield reader.again(row)
    except Exception as error:
        if _state_of(path) == state:
            raise
        raise written from error
    if _state_of(path) != state:
        raise written


def _state_of(path: Path) -> _State:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino


def _items(row: Row | Problem, reader: RowReader) -> Iterator[Case | Problem]:
    if isinstance(row, Problem):
        yield row
        return
    case, problems = reader.read(row)
    yield from problems
    if case is not None:
        yield case


def _input_check(schemas: Schemas) -> InputCheck:
    from promptops.core.inputs import check_inputs

    return lambda values: list(check_inputs(schemas, values))


def _unreadable(path: Path, root: Path, name: str) -> Problem | None:
    if path.suffix.lower() not in READERS:
        kind = "Parquet is not supported yet" if path.suffix.lower() == ".parquet" else "its format is not known"
        return Problem(name, 0, f"{kind}; a dataset ends in {ENDINGS}", "JSON lines is the format for large ones")
    if not _inside(path, root):
        return Problem(name, 0, "lies outside of the project (a link?)", "copy it into the project")
    if not path.is_file():
        return Problem(name, 0, "is not a file" if path.exists() else "does not exist")
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
