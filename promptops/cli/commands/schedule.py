"""`promptops schedule`: write the nightly job that watches for drift."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._shared import current_project, note
from promptops.cli.schedules import SCHEDULERS, Job
from promptops.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.project.root import Project

EXAMPLES = (
    "promptops schedule github --write",
    "promptops schedule github --keep branch",
    "promptops schedule gitlab --write",
    "promptops schedule cron --at 03:17",
    "promptops schedule systemd",
    "promptops schedule kubernetes --image registry.example/prompts:1",
)


def schedule(
    where: Annotated[str, typer.Argument(metavar="SCHEDULER", help="github, gitlab, cron, systemd or kubernetes.")],
    *,
    env: Annotated[str | None, typer.Option("--env", metavar="ENV", help="What this environment serves.")] = None,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="When, in UTC (cron, systemd: local).")] = "03:17",
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="HOW", help="How the log is kept: cache, branch or artifact (github, gitlab)."),
    ] = None,
    image: Annotated[
        str, typer.Option("--image", metavar="NAME", help="The container image (gitlab, kubernetes).")
    ] = "",
    write: Annotated[bool, typer.Option("--write", help="Write the file instead of printing it.")] = False,
) -> None:
    """Print, or write, the nightly job that runs `promptops drift`, and the hourly one that calibrates.

    Keys come from the job's secrets, never from here. A change is told by one issue or by the webhook of
    [tool.promptops.drift.webhook]; a night that could not be measured is no red job.
    """
    from promptops.config import environment_name

    project = current_project()
    writer = SCHEDULERS.get(where)
    if writer is None:
        raise UsageError(
            f"{where!r} is no scheduler known here{did_you_mean(where, SCHEDULERS)}: {', '.join(SCHEDULERS)}"
        )
    how = keep or writer.keeps[0]
    if how not in writer.keeps:
        raise UsageError(f"--keep {how!r}: {where} keeps the log by {' or '.join(writer.keeps)}")
    hour, minute = time_of_day(at)
    repository = _repository(project.root)
    job = Job(
        environment=environment_name(project.config, env),
        hour=hour,
        minute=minute,
        keys=secrets_of(project.config),
        keep=how,
        state=_folder_of(project.config),
        store=project.config.store,
        root=project.root,
        program=Path(sys.executable).parent / "promptops",
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        folder=project.root.relative_to(repository).as_posix(),
        image=image,
    )
    text = writer.write(job)
    if not write:
        typer.echo(text, nl=False)
    elif not writer.path:
        raise UsageError(f"--write is for files of a repository: print the lines of {where}, and put them in its place")
    else:
        _write(project, repository / writer.path, text)


def _folder_of(config: Config) -> str:
    """The folder that a job keeps the log in: a run store is gone with the machine that ran the job."""
    state = config.drift.state if config.drift is not None else None
    return f"{config.store}/drift" if state in {None, "store"} else str(state)


def secrets_of(config: Config) -> tuple[str, ...]:
    """The variables that a job needs: keys of providers, and those of the webhook."""
    keys = {p.api_key_env for p in config.providers.values() if p.api_key_env} | {"OPENAI_API_KEY"}
    webhook = config.drift.webhook if config.drift is not None else None
    if webhook is not None:
        keys |= {webhook.url_env} | ({webhook.key_env} if webhook.key_env else set())
    return tuple(sorted(keys))


def _write(project: Project, path: Path, text: str) -> None:
    from promptops.store.atomic import write_text

    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UsageError(f"{path} exists and differs: move it away first, or print the new one without --write")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    note(f"wrote {project.relative(path)}; set the secrets that it names, and commit it")


def _repository(root: Path) -> Path:
    """The folder that CI reads its files of: that of the git repository, else the project's."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def time_of_day(text: str) -> tuple[int, int]:
    """Read `03:17`; raises `UsageError`."""
    hour, colon, minute = text.partition(":")
    if colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60:
        return int(hour), int(minute)
    raise UsageError(f"--at {text!r} is no time of day: write HH:MM, such as 03:17")
