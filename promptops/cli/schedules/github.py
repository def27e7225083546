"""A workflow of GitHub Actions. Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax

Actions are pinned to the commits of their releases: a tag can be moved.
"""

from __future__ import annotations

import shlex

from msgspec import Struct

from promptops.cli.schedules.job import GREEN, Job, scalar

_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1  # v7.0.1"
_PYTHON = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97  # v7.0.0"
_RESTORE = "actions/cache/restore@27d5ce7f107fe9357f9df03efb73ab90386fccae  # v5.0.5"
_SAVE = "actions/cache/save@27d5ce7f107fe9357f9df03efb73ab90386fccae  # v5.0.5"
_UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f  # v7.0.0"

_WORKFLOW = """\
# The nightly drift check. Written by `promptops schedule github`; yours to edit.
# The first time, and to accept a change: run this workflow by hand, with a reason.
name: promptops drift
on:
  schedule:
    - cron: "{minute} {hour} * * *"  # the night, UTC
    - cron: "{calibration} * * * *"  # hourly readings while it is calibrated: take this line out three days later
  workflow_dispatch:
    inputs:
      accept:
        description: "Begin a new epoch, for this reason (empty: only check)"
        default: ""
permissions:
{permissions}concurrency: promptops-drift  # one at a time
jobs:
  drift:
    runs-on: ubuntu-latest
    timeout-minutes: 90
    defaults:
      run:
        working-directory: {folder}
    steps:
      - uses: {checkout}
{credentials}      - uses: {setup}
        with:
          python-version: "{python}"
      - id: install
        name: Install
        continue-on-error: true  # a package mirror that is out is no red job
        run: |
          for wait in 20 60 180 0; do
            {install} && exit 0
            sleep "$wait"
          done
          exit 1
{restore}      - id: drift
        name: promptops drift
        if: {ready}
        env:
          ACCEPT: ${{{{ inputs.accept }}}}
          CALIBRATE: ${{{{ github.event.schedule == '{calibration} * * * *' }}}}
{state}          PROMPTOPS_ISSUES_TOKEN: ${{{{ github.token }}}}  # an alarm opens one issue; another is a comment on it
{env}        run: |
{guard}          if [ -n "$ACCEPT" ]; then promptops drift accept --env {environment} --reason "$ACCEPT"; fi
          code=0
          if [ "$CALIBRATE" = true ]; then
            {hourly} > drift.txt 2>&1 || code=$?
          else
            {night} > drift.txt 2>&1 || code=$?
          fi
          echo "code=$code" >> "$GITHUB_OUTPUT"
          cat drift.txt
          {{ echo '```text'; head -c 900000 drift.txt | sed 's/```/` ` `/g'; echo '```'; }} >> "$GITHUB_STEP_SUMMARY"
          case $code in
            {green}) ;;           # stable, changed, not measured, undecided
            *) exit "$code" ;;    # a mistake of the configuration, an alarm that nobody is told of, or a bug
          esac
{save}      - name: Not measured, or undecided
        if: steps.drift.outcome == 'skipped' || steps.drift.outputs.code == '10' || steps.drift.outputs.code == '11'
        run: |
          echo "::warning title=promptops drift::not measured (10), undecided (11) or not run: see the steps above"
"""


class _Keep(Struct, frozen=True):
    """One way to keep the log: the steps before and after, and what they may do."""

    restore: str = ""
    save: str = ""
    permissions: tuple[str, ...] = ()
    contents: str = "read"
    state: str = ""


_KEPT = "always() && steps.drift.outputs.code != ''"

_WAYS = {
    "cache": _Keep(
        state="{state}",
        restore="""\
      - uses: {action_restore}
        with:
          path: {path}
          key: promptops-drift-none
          restore-keys: promptops-drift-  # the newest; where it is lost, the check says so and ends in 10
""",
        save="""\
      - uses: {action_save}
        if: {kept}
        with:
          path: {path}
          key: promptops-drift-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
""",
    ),
    "branch": _Keep(
        state="${{{{ runner.temp }}}}/promptops-drift",
        contents="write",
        restore="""\
      - id: log
        name: The log, from a branch of its own
        continue-on-error: true  # where git is out nothing is measured, and nothing is pushed
        run: |
          log="$RUNNER_TEMP/promptops-drift" code=0
          git ls-remote --exit-code origin refs/heads/promptops-drift > /dev/null || code=$?
          if [ "$code" = 0 ]; then
            git fetch --quiet --depth 1 origin promptops-drift:promptops-drift
            git worktree add "$log" promptops-drift
          elif [ "$code" = 2 ]; then  # there is no such branch
            git worktree add --detach --no-checkout "$log"
            git -C "$log" checkout --quiet --orphan promptops-drift
            git -C "$log" rm -r --quiet --force --ignore-unmatch .
          else
            exit "$code"
          fi
""",
        save="""\
      - name: Keep the log
        if: {kept}
        run: |
          cd "$RUNNER_TEMP/promptops-drift"
          git add --all
          if git diff --cached --quiet; then exit 0; fi
          before=$(git rev-parse --quiet --verify HEAD || true)
          git -c user.name=promptops -c user.email=promptops@users.noreply.github.com \\
            commit --quiet -m "Drift, run $GITHUB_RUN_ID"
          for wait in 5 20 60; do
            git push --quiet origin promptops-drift && exit 0
            sleep "$wait"
          done
          if ! there=$(git ls-remote origin refs/heads/promptops-drift); then
            echo "::warning title=promptops drift::git is out: this run is not in the log"
          elif [ "${{there%%[[:space:]]*}}" != "$before" ]; then
            echo "::warning title=promptops drift::somebody else pushed the log meanwhile: this run is not in it"
          else
            echo "::error title=promptops drift::the branch promptops-drift cannot be pushed: is it protected?"
            exit 1
          fi
""",
    ),
    "artifact": _Keep(
        state="{state}",
        permissions=("actions: read",),
        restore="""\
      - id: log
        name: The log, of the last run that kept one
        continue-on-error: true  # where GitHub is out nothing is measured
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: |
          # Of this branch of this repository: a pull request from elsewhere may upload what it likes.
          last=$(gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=promptops-drift&per_page=50" --jq '
            [.artifacts[] | select(.expired | not) | .workflow_run
            | select(.head_branch == env.GITHUB_REF_NAME and .head_repository_id == .repository_id)][0].id // empty')
          if [ -n "$last" ]; then gh run download "$last" --name promptops-drift --dir {state_word}; fi
""",
        save="""\
      - uses: {action_upload}
        if: {kept}
        with:
          name: promptops-drift
          path: {path}
          include-hidden-files: true
          if-no-files-found: ignore
          retention-days: 90
""",
    ),
    "store": _Keep(),
}


def github(job: Job) -> str:
    """The text of the workflow."""
    way = _WAYS[job.keep]
    permissions = [f"contents: {way.contents}", "issues: write", *way.permissions]
    filled = {
        "state": scalar(job.state),
        "state_word": shlex.quote(job.state),
        "path": scalar(job.place),
        "kept": _KEPT,
        "action_restore": _RESTORE,
        "action_save": _SAVE,
        "action_upload": _UPLOAD,
    }
    ready = ["steps.install.outcome == 'success'"]
    ready += ["steps.log.outcome == 'success'"] if "id: log" in way.restore else []
    state = way.state.format(**filled)
    return _WORKFLOW.format(
        hour=job.hour,
        minute=job.minute,
        calibration=job.calibration_minute,
        permissions="".join(f"  {line}\n" for line in permissions),
        credentials="" if way.contents == "write" else "        with:\n          persist-credentials: false\n",
        checkout=_CHECKOUT,
        setup=_PYTHON,
        folder=scalar(job.folder),
        python=job.python,
        install=job.install,
        restore=way.restore.format(**filled),
        save=way.save.format(**filled),
        ready=" && ".join(ready),
        state=f"          PROMPTOPS_DRIFT_STATE: {state}\n" if state else "",
        guard=_guard(job),
        env="".join(f"          {key}: ${{{{ secrets.{key} }}}}\n" for key in job.keys),
        environment=job.environment,
        night=job.night,
        hourly=job.hourly,
        green=GREEN,
    )


def _guard(job: Job) -> str:
    """A secret that is not set is empty: the log would be looked for where it never was."""
    if "PROMPTOPS_DRIFT_STATE" not in job.keys:
        return ""
    return '          : "${PROMPTOPS_DRIFT_STATE:?set the secret PROMPTOPS_DRIFT_STATE}"\n'
