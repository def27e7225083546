"""Where the log of the watch is, and the mark in git that there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptops.core.nightly.events import EpochBegun
from promptops.errors import Problem, ProblemsError, UsageError
from promptops.store.atomic import write_text
from promptops.store.drift_log import DriftLog, FolderLog, StoreLog
from promptops.store.drift_postgres import SCHEMES, PostgresLog
from promptops.store.run_tables import make_folder

if TYPE_CHECKING:
    from promptops.project.root import Project

MARK: Final = "drift.json"
STATE: Final = "PROMPTOPS_DRIFT_STATE"


def open_log(project: Project, environ: Mapping[str, str], chosen: str | None = None) -> DriftLog:
    """Return the log: the option, else `$PROMPTOPS_DRIFT_STATE`, else pyproject.toml, else the store folder.

    Raises `UsageError` for an address that is no PostgreSQL, or that holds a password where others read it.
    """
    settings, secret = project.config.drift, environ.get(STATE, "").strip()
    wanted = chosen or secret or (settings.state if settings is not None else None)
    if wanted == "store":
        return StoreLog(project.store_dir / "store.db")
    if wanted and "://" in wanted:
        if not wanted.startswith(SCHEMES):
            raise UsageError(
                f"the drift log cannot be kept by {wanted.partition('://')[0][:20]!r}: name a folder, `store`, "
                "or postgresql://user@host/database"
            )
        return PostgresLog(wanted, secret=not chosen and bool(secret))
    if wanted:
        return FolderLog(project.root / wanted)
    make_folder(project.store_dir)
    return FolderLog(project.store_dir / "drift")


def mark_path(project: Project) -> Path:
    """`prompts/drift.json`: which epochs were accepted; it says in every clone that the watch has begun."""
    return project.prompts_dir / MARK


def read_mark(project: Project) -> dict[str, int]:
    """Return endpoint → epoch as accepted; empty where the watch never began. Raises `ProblemsError`."""
    path = mark_path(project)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(entry["epoch"]) for name, entry in found["endpoints"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        hint = "restore it from git: promptops drift accept writes it"
        where = project.relative(path)
        raise ProblemsError([Problem(where, 0, f"is not what promptops wrote: {error!s:.200}", hint)]) from error


def write_mark(project: Project, begun: Sequence[EpochBegun]) -> Path:
    """Add accepted epochs to the mark; returns its path."""
    path = mark_path(project)
    old = json.loads(path.read_text(encoding="utf-8"))["endpoints"] if read_mark(project) else {}
    fresh = {event.endpoint: {"at": event.at, "epoch": event.epoch, "reason": event.reason} for event in begun}
    document = {"format": 1, "endpoints": dict(sorted({**old, **fresh}.items()))}
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path
