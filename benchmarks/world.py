"""What every contestant is asked to do: the same cases, as a file and as a project of promptops."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from promptops.testing import TemporaryProject

HERE = Path(__file__).absolute().parent
SCRIPTS = HERE / "contestants"
SCHEMA = {
    "type": "object",
    "properties": {"sentiment": {"enum": ["positive", "negative"]}},
    "required": ["sentiment"],
    "additionalProperties": False,
}
_TEMPLATE = "---\nmodel: loop/model-1\nparams: {temperature: 0.0, max_tokens: 20}\n---\nIs this kind? {{ text }}"
_CONTRACT = "inputs: {text: string}\noutput: schema.json\nchecks: [schema, equals]\n"


@dataclass(frozen=True, slots=True)
class World:
    """`count` cases at `url`, `concurrency` in flight; their file, the folder of the project, one for anything else."""

    url: str
    count: int
    concurrency: int
    cases: Path
    folder: Path
    scratch: Path


def make_world(folder: Path, url: str, *, count: int, concurrency: int) -> World:
    """Write the project and the files of all contestants below `folder`."""
    project = TemporaryProject(folder / "project")
    project.provider("loop", url, concurrency=concurrency)
    project.prompt("kind", versions={"v1": _TEMPLATE}, yaml=_CONTRACT, files={"schema.json": json.dumps(SCHEMA)})
    rows = (
        {"id": f"c{number}", "inputs": {"text": f"Review {number}: fine."}, "expected": {"sentiment": "positive"}}
        for number in range(count)
    )
    cases = project.dataset("kind", rows)
    project.git_init()
    scratch = folder / "scratch"
    scratch.mkdir()
    for script in SCRIPTS.glob("*_*.py"):
        shutil.copy(script, scratch / script.name)  # away from the settings that pytest finds beside ours
    return World(url, count, concurrency, cases, project.path, scratch)
