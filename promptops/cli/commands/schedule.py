"""`promptops schedule`: write the nightly job that watches for drift."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._shared import current_project, note
from promptops.cli.schedules import SCHEDULERS, Job, Writer
from promptops.cli.schedules.needs import needs_of
from promptops.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.project.root import Project

_ISSUES = frozenset({"github", "gitlab"})
"""Where a job can open an issue."""

EXAMPLES = (
    "promptops schedule github --write",
    "promptops schedule github --keep branch",
    "promptops schedule github --keep store",
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
        typer.Option(
            "--keep",
            metavar="HOW",
            help="How the log is kept: cache, branch (github), artifact, volume, folder or store.",
        ),
    ] = None,
    image: Annotated[
        str, typer.Option("--image", metavar="NAME", help="The container image (gitlab, kubernetes).")
    ] = "",
    write: Annotated[bool, typer.Option("--write", help="Write the file instead of printing it.")] = False,
) -> None:
    """Print, or write, the nightly job that runs `promptops drift`, and the hourly one that calibrates.

    Keys come from the job's secrets, never from here. A change is told by one issue (github, gitlab) or by the webhook
    of [tool.promptops.drift.webhook]; a night that could not be measured is no red job, a mistake of the configuration
    is. The log is kept by a cache, a branch, an artifact, a folder, a volume, or in a PostgreSQL (--keep store, its
    address in the secret PROMPTOPS_DRIFT_STATE).
    """
    project = current_project()
    writer = SCHEDULERS.get(where)
    if writer is None:
        raise UsageError(
            f"{where!r} is no scheduler known here{did_you_mean(where, SCHEDULERS)}: {', '.join(SCHEDULERS)}"
        )
    how = keep or _kept_by(project.config, writer)
    if how not in writer.keeps:
        raise UsageError(f"--keep {how!r}: {where} keeps the log by {' or '.join(writer.keeps)}")
    repository = _repository(project.root)
    if image and not writer.images:
        takes = " and ".join(name for name, one in SCHEDULERS.items() if one.images)
        raise UsageError(f"--image is for {takes}: {where} runs the job without a container")
    job = _job(project, repository, how, environment=env, at=time_of_day(at), image=image)
    if problems := [*job.problems(), *(job.problems_of_places() if writer.path else ())]:
        raise UsageError("\n".join(problems))
    text = writer.write(job)
    if where not in _ISSUES and (project.config.drift is None or project.config.drift.webhook is None):
        note("notice: nobody is told of an alarm without [tool.promptops.drift.webhook]: the job would fail instead")
    if not write:
        typer.echo(text, nl=False)
    elif not writer.path:
        raise UsageError(f"--write is for files of a repository: print the lines of {where}, and put them in its place")
    else:
        _write(project, repository / writer.path, text)


def _job(
    project: Project, repository: Path, keep: str, *, environment: str | None, at: tuple[int, int], image: str
) -> Job:
    from promptops.config import environment_name
    from promptops.models import Pin

    config = project.config
    url = keep == "store" or _is_url(config)
    name = environment_name(config, environment)
    needs = needs_of([Pin.parse(text) for text in _watched(project, name)], config, url_kept=url)
    return Job(
        environment=name,
        hour=at[0],
        minute=at[1],
        keys=(*needs.keys, *(_store_keys(config) if url else ()), *_webhook_keys(config)),
        keep=keep,
        state=_folder_of(config),
        store=config.store,
        home=project.store_dir,
        root=project.root,
        program=Path(sys.executable).parent / "promptops",
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        requirement=needs.requirement,
        models=needs.models,
        folder=project.root.relative_to(repository).as_posix(),
        image=image,
        flock=shutil.which("flock"),
    )


def _watched(project: Project, environment: str) -> list[str]:
    """The pins that the job will ask; none where nothing is served yet."""
    from promptops.cli.commands._asking import choices, environ
    from promptops.cli.commands._drift_options import endpoints_of
    from promptops.runner.session import Session

    session = Session(project, "live", environ(), choices(environment=environment))
    try:
        return [endpoint.name for endpoint in endpoints_of(session, ())]
    except UsageError:
        note(f"notice: {environment!r} serves nothing yet: the keys of all configured providers are named")
        return []


def _kept_by(config: Config, writer: Writer) -> str:
    """How the log is kept where nobody says: as pyproject.toml has it, else by what the scheduler has."""
    return "store" if _is_url(config) and "store" in writer.keeps else writer.keeps[0]


def _is_url(config: Config) -> bool:
    return config.drift is not None and config.drift.state is not None and "://" in config.drift.state


def _folder_of(config: Config) -> str:
    """The folder that a job keeps the log in: a run store is gone with the machine that ran the job."""
    state = config.drift.state if config.drift is not None else None
    return f"{config.store}/drift" if state in {None, "store"} or _is_url(config) else str(state)


def _store_keys(config: Config) -> tuple[str, ...]:
    """What opens the PostgreSQL: its password where pyproject.toml has its address, else the whole address."""
    return ("PGPASSWORD",) if _is_url(config) else ("PROMPTOPS_DRIFT_STATE",)


def _webhook_keys(config: Config) -> tuple[str, ...]:
    webhook = config.drift.webhook if config.drift is not None else None
    if webhook is None:
        return ()
    return (webhook.url_env, webhook.key_env) if webhook.key_env else (webhook.url_env,)


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
    if colon and hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60:
        return int(hour), int(minute)
    raise UsageError(f"--at {text!r} is no time of day: write HH:MM, such as 03:17")
