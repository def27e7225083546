"""A workflow of GitHub Actions. Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax"""

from __future__ import annotations

from promptops.cli.schedules.job import GREEN, Job

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
        description: Begin a new epoch, for this reason (empty; only check)
        default: ""
permissions:
  contents: {contents}
  issues: write
  actions: read
concurrency: promptops-drift
jobs:
  drift:
    runs-on: ubuntu-latest
    timeout-minutes: 90
    defaults:
      run:
        working-directory: {folder}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "{python}"
      - run: pip install "{requirement}"
{restore}      # For a local/ model: install pytest-promptops[local] and run `promptops models pull NAME` here.
      - id: drift
        name: promptops drift
        env:
          ACCEPT: ${{{{ inputs.accept }}}}
          NIGHT: ${{{{ github.event.schedule != '{calibration} * * * *' }}}}
          PROMPTOPS_DRIFT_STATE: {state}
{env}        run: |
          code=0
          if [ -n "$ACCEPT" ]; then promptops drift accept --env {environment} --reason "$ACCEPT"; fi
          if [ "$NIGHT" = true ]; then
            promptops drift --env {environment} --require-state > drift.txt 2>&1 || code=$?
          else
            promptops drift calibrate --env {environment} > drift.txt 2>&1 || code=$?
          fi
          cat drift.txt
          echo "code=$code" >> "$GITHUB_OUTPUT"
          alarms=$(promptops drift status --env {environment} --json 2>/dev/null \\
            | python -c 'import json, sys; w = json.load(sys.stdin)["watch"]; \\
          print("\\n".join(sorted(x["endpoint"] + " " + x["alarm"]["at"] for x in w if x["alarm"])))' || true)
          echo "key=$(printf %s "$alarms" | sha256sum | cut -c1-16)" >> "$GITHUB_OUTPUT"
          {{ echo '```text'; head -c 60000 drift.txt | sed 's/```/` ` `/g'; echo '```'; }} > drift.md
          cat drift.md >> "$GITHUB_STEP_SUMMARY"
          case $code in
            {green}) ;;           # stable, changed, not measured, undecided: told below
            *) exit "$code" ;;    # configuration, or a bug
          esac
{save}      - name: A served model changed
        if: steps.drift.outputs.code == '1'
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          KEY: ${{{{ steps.drift.outputs.key }}}}
        run: |
          # One issue: the same alarm is said once, another one is a comment.
          title="promptops drift: a served model answers differently"
          printf '\\n<!-- promptops-drift %s -->\\n' "$KEY" >> drift.md
          gh issue list --state open --limit 200 --json number,body,comments > issues.json
          open=$(jq -r '[.[] | select(.body | contains("<!-- promptops-drift "))][0].number // empty' issues.json)
          if [ -z "$open" ]; then
            gh issue create --title "$title" --body-file drift.md
          elif ! jq -e --arg key "promptops-drift $KEY " --argjson n "$open" '.[] | select(.number == $n)
            | [.body, .comments[].body] | any(contains($key))' issues.json > /dev/null; then
            gh issue comment "$open" --body-file drift.md
          fi
      - name: Not measured, or undecided
        if: steps.drift.outputs.code == '10' || steps.drift.outputs.code == '11'
        run: echo "::warning title=promptops drift::not measured (10) or undecided (11), see the summary"
"""

_CACHE = (
    """\
      - uses: actions/cache/restore@v4  # the log: where the cache is lost, the check says so and ends in 10
        with:
          path: {path}
          key: promptops-drift-none
          restore-keys: promptops-drift-
""",
    """\
      - uses: actions/cache/save@v4
        if: always() && steps.drift.outputs.code != ''
        with:
          path: {path}
          key: promptops-drift-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
""",
)

_BRANCH = (
    """\
      - name: The log, from a branch of its own
        run: |
          git config user.name promptops && git config user.email promptops@users.noreply.github.com
          if git fetch origin promptops-drift; then
            git worktree add "$GITHUB_WORKSPACE/.promptops-drift" -B promptops-drift origin/promptops-drift
          else
            git worktree add --orphan -b promptops-drift "$GITHUB_WORKSPACE/.promptops-drift"
          fi
""",
    """\
      - name: Keep the log
        if: always() && steps.drift.outputs.code != ''
        working-directory: .promptops-drift
        run: |
          git add state.jsonl state.head
          git diff --cached --quiet || git commit -m "Drift, run $GITHUB_RUN_ID"
          git push origin promptops-drift
""",
)

_ARTIFACT = (
    """\
      - name: The log, of the last run that kept one
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: |
          last=$(gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=promptops-drift&per_page=1" \\
            --jq '[.artifacts[] | select(.expired | not)][0].workflow_run.id // empty')
          if [ -n "$last" ]; then gh run download "$last" --name promptops-drift --dir {state}; fi
""",
    """\
      - uses: actions/upload-artifact@v4
        if: always() && steps.drift.outputs.code != ''
        with:
          name: promptops-drift
          path: {path}
          include-hidden-files: true
          retention-days: 90
""",
)


def github(job: Job) -> str:
    """The text of the workflow."""
    restore, save = {"cache": _CACHE, "branch": _BRANCH, "artifact": _ARTIFACT}[job.keep]
    state = "${{ github.workspace }}/.promptops-drift" if job.keep == "branch" else job.state
    path = job.state if job.folder == "." else f"{job.folder}/{job.state}"
    return _WORKFLOW.format(
        hour=job.hour,
        minute=job.minute,
        calibration=job.calibration_minute,
        contents="write" if job.keep == "branch" else "read",
        folder=job.folder,
        python=job.python,
        requirement=job.requirement,
        restore=restore.format(state=job.state, path=path),
        save=save.format(state=job.state, path=path),
        state=state,
        env="".join(f"          {key}: ${{{{ secrets.{key} }}}}\n" for key in job.keys),
        environment=job.environment,
        green=GREEN,
    )
