"""`promptops adopt`: takes an existing prompt in as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from promptops.cli.commands._shared import (
    DryRunOption,
    JsonOption,
    MessageOption,
    NoCommitOption,
    ReasonOption,
    ServedByOption,
    current_project,
    prompt_and_version,
)

EXAMPLES = ("promptops adopt booking@v2 --env production",)


def adopt(
    ref: Annotated[str, typer.Argument(metavar="NAME@vN", help="The version.")],
    *,
    env: ServedByOption = None,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    no_commit: NoCommitOption = False,
    message: MessageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an existing prompt in: what it does today becomes the accepted baseline.

    For the first version that an environment serves; later ones are promoted. Outcomes come from the recordings, so
    record first (promptops run NAME@vN). A prompt without a dataset is taken in without outcomes.
    """
    from promptops.cli.commands._measured import measure, now
    from promptops.cli.commands.promote import show_promotion
    from promptops.config import environment_name
    from promptops.release.adopt import adopt as run
    from promptops.release.promote import Terms

    prompt, version = prompt_and_version(ref, example="promptops adopt booking@v2 --env production")
    project = current_project()
    terms = Terms(at=now(), override=reason, subject=message or "", commit=not no_commit, dry_run=dry_run)
    environment = environment_name(project.config, env)
    show_promotion(run(project, measure(project, prompt, version), environment, terms), dry_run, as_json=as_json)
