"""The images and files that templates name: read from the dataset's folder or the prompt's, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from promptops.core.media import MAX_MEDIA, Kind, MediaReader, media_of
from promptops.errors import ProblemsError
from promptops.models import Json, Media
from promptops.project.files import read_bytes
from promptops.project.root import Project


def media_reader(project: Project, prompt: str, dataset: Path | None = None) -> MediaReader:
    """Return what reads a path that a template or a case of `prompt` names.

    A path is relative to the folder of the dataset (`fixtures/<prompt>` where there is none), else to the prompt's.
    """
    folders = (dataset.parent if dataset else project.fixtures_dir / prompt, project.prompts_dir / prompt)

    def read(kind: Kind, path: str) -> Media:
        return _read(project, folders, kind, path)

    return read


def with_files(project: Project, prompt: str, inputs: Mapping[str, Json | Path]) -> tuple[dict[str, Json], MediaReader]:
    """Return inputs in which each `Path` is a name, and what reads these names, or a path in the prompt's own folder.

    A caller's `Path` may lead anywhere: it is no data.
    """
    given = {f"{name}/{value.name}": value for name, value in inputs.items() if isinstance(value, Path)}
    plain = {name: f"{name}/{value.name}" if isinstance(value, Path) else value for name, value in inputs.items()}

    def read(kind: Kind, path: str) -> Media:
        if path not in given:
            return _read(project, (project.prompts_dir / prompt,), kind, path)
        try:
            size = given[path].stat().st_size
            if size > MAX_MEDIA:
                raise ValueError(f"{path!r} is larger than {MAX_MEDIA // 2**20} MB")
            return media_of(kind, given[path].read_bytes(), path)
        except OSError as error:
            raise ValueError(f"{path!r} cannot be read: {error.strerror or error}") from error

    return plain, read


def _read(project: Project, folders: Sequence[Path], kind: Kind, path: str) -> Media:
    parts = PurePosixPath(path).parts
    if "\\" in path or "\0" in path or PurePosixPath(path).is_absolute() or ".." in parts or len(path) > 1000:
        raise ValueError(f"{path[:200]!r} is no path inside the folder of the dataset or the prompt")
    for folder in folders:
        where = folder / path
        try:
            if where.exists() or where.is_symlink():
                return media_of(kind, read_bytes(project.root, where, project.relative(where), MAX_MEDIA), path)
        except ProblemsError as error:
            raise ValueError(str(error.problems[0]).split("\n")[0]) from error
        except OSError as error:
            raise ValueError(f"{path[:200]!r} cannot be read: {error.strerror or error}") from error
    shown = " or ".join(dict.fromkeys(project.relative(folder) for folder in folders))
    raise ValueError(f"{path[:200]!r} is not in {shown}")
