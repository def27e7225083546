"""A project in a temporary folder: pyproject.toml, prompts, datasets, git, in a few lines of a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.models import Json

if TYPE_CHECKING:
    from promptops.project.root import Project

_HEADER = "[tool.promptops]\n"


class TemporaryProject:
    """A promptops project below `path`, made of plain files; every method may be called again to change it.

    ::

        project = TemporaryProject(tmp_path)
        project.prompt("booking", versions={"v1": template}, yaml="output: schema.json", files={"schema.json": "{}"})
        project.dataset("booking", [{"id": "c1", "inputs": {"text": "hi"}, "expected": "hello"}])
        project.git_init()
    """

    def __init__(self, path: Path) -> None:
        """Use (and make) the folder `path`; write a pyproject.toml with an empty `[tool.promptops]` if it has none."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if not (path / "pyproject.toml").exists():
            self.write("pyproject.toml", _HEADER)

    def write(self, relative: str, text: str) -> Path:
        """Write `text` (UTF-8, line ends as given) to `relative`, making folders; returns the path."""
        target = self.path / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
        return target

    def read(self, relative: str) -> str:
        """Return the text of `relative`."""
        return (self.path / relative).read_text(encoding="utf-8")

    def config(self, text: str) -> Path:
        """Add TOML to `[tool.promptops]`: keys first, then any tables such as `[tool.promptops.providers.acme]`.

        Keys of a later call still land in `[tool.promptops]` itself.
        """
        keys, tables = _split_toml(text)
        before, _, after = self.read("pyproject.toml").partition(_HEADER)
        return self.write("pyproject.toml", f"{before}{_HEADER}{keys}{after}{tables}")

    def provider(self, name: str, base_url: str, **settings: Json) -> Path:
        """Add `[tool.promptops.providers.<name>]` for `base_url`; `settings` are further keys of it."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in {"base_url": base_url, **settings}.items()]
        return self.config(f"[tool.promptops.providers.{name}]\n" + "\n".join(lines))

    def prompt(
        self,
        name: str,
        *,
        versions: Mapping[str, str],
        yaml: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Path:
        """Write `prompts/<name>/`: a template file a version (`{"v1": "…"}`), `prompt.yaml`, further files; its folder.

        A template without front matter gets `model: test/model-1`.
        """
        for version, template in versions.items():
            text = template if template.startswith("---") else f"---\nmodel: test/model-1\n---\n{template}"
            self.write(f"prompts/{name}/{version}.j2", text)
        if yaml is not None:
            self.write(f"prompts/{name}/prompt.yaml", yaml)
        for relative, text in (files or {}).items():
            self.write(f"prompts/{name}/{relative}", text)
        return self.path / "prompts" / name

    def dataset(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write `fixtures/<name>/cases.jsonl`, one row a line."""
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return self.write(f"fixtures/{name}/cases.jsonl", "".join(lines))

    def git_init(self, message: str = "Begin") -> str:
        """Make a git repository on branch `main` with everything in one commit; returns the commit's hash.

        Name, e-mail and signing are set for this repository alone; `.promptops/` is ignored.
        """
        self.git("init", "-q", "-b", "main")
        for key, value in {
            "user.name": "Test",
            "user.email": "test@example.invalid",
            "commit.gpgsign": "false",
        }.items():
            self.git("config", key, value)
        if not (self.path / ".gitignore").exists():
            self.write(".gitignore", ".promptops/\n__pycache__/\n")
        return self.commit(message)

    def commit(self, message: str) -> str:
        """Commit everything as it stands, even if nothing changed; returns the commit's hash."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Run the git program in the project; returns its output, raises `AssertionError` with it if git fails."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, encoding="utf-8", check=False
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(arguments)} ended in {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    @property
    def project(self) -> Project:
        """The project as promptops reads it, read anew each time."""
        from promptops.project.root import load_project

        return load_project(self.path)


def _split_toml(text: str) -> tuple[str, str]:
    """Split into the keys before the first table header and everything from it on, each ending in a newline."""
    lines = text.strip().splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    keys, tables = "".join(lines[:first]).rstrip(), "".join(lines[first:]).rstrip()
    return (f"{keys}\n" if keys else ""), (f"\n{tables}\n" if tables else "")
