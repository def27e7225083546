"""`promptops schedule`: write the nightly job that watches for drift."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._shared import current_project, note
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.project.root import Project

EXAMPLES = ("promptops schedule github --write", "promptops schedule cron --at 03:17")

WORKFLOW = Path(".github/workflows/promptops-drift.yml")

_GITHUB = """\
# The nightly drift check. Written by `promptops schedule github`; yours to edit.
name: promptops drift
on:
  schedule:
    - cron: "{minute} {hour} * * *"  # UTC
  workflow_dispatch:
permissions:
  contents: read
  issues: write
concurrency: promptops-drift
jobs:
  drift:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "{python}"
      - run: pip install "{requirement}"
      - uses: actions/cache@v4  # the history of nights; lost history means no more than a new start of it
        with:
          path: {store}/store.db
          key: promptops-drift-${{{{ github.run_id }}}}
          restore-keys: promptops-drift-
{local}      - id: drift
        name: promptops drift
{env}        run: |
          code=0
          promptops drift --env {environment} > drift.txt 2>&1 || code=$?
          cat drift.txt
          echo "code=$code" >> "$GITHUB_OUTPUT"
          {{ echo '```text'; head -c 60000 drift.txt | sed 's/```/` ` `/g'; echo '```'; }} > drift.md
          cat drift.md >> "$GITHUB_STEP_SUMMARY"
          case $code in
            0|1|10|11) ;;         # stable, changed, not measured, undecided: told below
            *) exit "$code" ;;    # configuration, or a bug
          esac
      - name: A served model changed
        if: steps.drift.outputs.code == '1'
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: |
          title="promptops drift: a served model answers differently"
          open=$(gh issue list --state open --search "in:title \\"$title\\"" --json number --jq '.[0].number')
          if [ -n "$open" ]; then
            gh issue comment "$open" --body-file drift.md
          else
            gh issue create --title "$title" --body-file drift.md
          fi
      - name: Not measured, or undecided
        if: steps.drift.outputs.code == '10' || steps.drift.outputs.code == '11'
        run: echo "::warning title=promptops drift::not measured (10) or undecided (11), see the summary"
"""


def schedule(
    where: Annotated[
        str, typer.Argument(metavar="github|cron", help="A GitHub Actions workflow, or a line for crontab.")
    ],
    *,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="When; GitHub reads it as UTC.")] = "03:17",
    env: Annotated[str | None, typer.Option("--env", metavar="ENV", help="The environment that is watched.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the workflow file (github only).")] = False,
) -> None:
    """Print, or write, the nightly job that runs `promptops drift`.

    The GitHub job opens an issue (or comments on the open one) when a served model changed; a night that could not be
    measured is a warning. Keys come from secrets named like the variables of `api_key_env`.
    """
    from promptops.config import environment_name

    project = current_project()
    hour, minute = _time(at)
    environment = environment_name(project.config, env)
    if where == "github":
        _github(project, github_workflow(project.config, environment, hour, minute), write=write)
    elif where == "cron":
        if write:
            raise UsageError("--write is for github: add the line yourself with `crontab -e`")
        typer.echo(cron_line(project.root, project.config.store, environment, hour, minute))
    else:
        raise UsageError(f"{where!r} is no scheduler known here: write github or cron")


def github_workflow(config: Config, environment: str, hour: int, minute: int) -> str:
    """The text of the workflow for the providers of `config`."""
    keys = sorted({p.api_key_env for p in config.providers.values() if p.api_key_env} | {"OPENAI_API_KEY"})
    lines = "".join(f"          {key}: ${{{{ secrets.{key} }}}}\n" for key in keys)
    local = "      # For a local/ model: install pytest-promptops[local] and run `promptops models pull NAME` here.\n"
    return _GITHUB.format(
        hour=hour,
        minute=minute,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        requirement="pytest-promptops",
        store=config.store,
        local=local,
        env=f"        env:\n{lines}",
        environment=environment,
    )


def cron_line(root: Path, store: str, environment: str, hour: int, minute: int) -> str:
    """A line for crontab: absolute paths, and `flock` so that two nights never run at once."""
    program = Path(sys.executable).parent / "promptops"
    folder = root / store
    command = (
        f"cd {shlex.quote(str(root))} && mkdir -p {shlex.quote(str(folder))} && "
        f"flock -n {shlex.quote(str(folder / 'drift.lock'))} "
        f"{shlex.quote(str(program))} drift --env {environment} >> {shlex.quote(str(folder / 'drift.log'))} 2>&1"
    )
    return f"{minute} {hour} * * * " + command.replace("%", "\\%")


def _github(project: Project, text: str, *, write: bool) -> None:
    if not write:
        typer.echo(text, nl=False)
        return
    from promptops.store.atomic import write_text

    path = _repository(project.root) / WORKFLOW
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UsageError(f"{path} exists and differs: move it away first, or print the new one without --write")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    note(f"wrote {path}; set the secrets that it names, and commit it")


def _repository(root: Path) -> Path:
    """The folder that GitHub reads workflows of: that of the git repository, else the project's."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _time(text: str) -> tuple[int, int]:
    hour, colon, minute = text.partition(":")
    if colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60:
        return int(hour), int(minute)
    raise UsageError(f"--at {text!r} is no time of day: write HH:MM, such as 03:17")
