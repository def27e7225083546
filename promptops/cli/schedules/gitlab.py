"""A job of GitLab CI, to be included and scheduled.

Sources: https://docs.gitlab.com/ci/yaml/, https://docs.gitlab.com/api/job_artifacts/.
"""

from __future__ import annotations

import shlex

from promptops.cli.schedules.job import OR_LOST, Job, scalar

_JOB = """\
# The nightly drift check. Written by `promptops schedule gitlab`; yours to edit.
# Include it in .gitlab-ci.yml (`include: {{local: {path}}}`) and add two pipeline schedules (UTC):
#   {minute} {hour} * * *   with the variable PROMPTOPS_DRIFT=night
#   {calibration} * * * *   with PROMPTOPS_DRIFT=calibrate, for three days
# The first time, and to accept a change: run a pipeline by hand with PROMPTOPS_DRIFT=night and ACCEPT=<the reason>.
# Variables, masked: {keys}.
# PROMPTOPS_ISSUES_TOKEN is a project access token (Reporter, scope api): an alarm opens one issue, another one is a
# comment on it.
promptops-drift:
  image: {image}
  rules:
    - if: $PROMPTOPS_DRIFT
  resource_group: promptops-drift  # one at a time
  timeout: 90m
  interruptible: false
  retry:
    max: 2
    when: [runner_system_failure, api_failure, scheduler_failure]
  allow_failure:
    exit_codes: [10, 11]  # not measured, undecided: a warning, never red
{variables}{cache}  before_script:
    - cd {folder}
    - |
      for wait in 20 60 180 0; do
        if {install}; then break; fi
        if [ "$wait" = 0 ]; then echo "Nothing was measured: the package mirror is out."; exit 10; fi
        sleep "$wait"
      done
  script:
{restore}    - |
{guard}      if [ -n "$ACCEPT" ]; then promptops drift accept --env {environment} --reason "$ACCEPT"; fi
      code=0
      if [ "$PROMPTOPS_DRIFT" = calibrate ]; then
        {hourly} || code=$?
      else
        {night} || code=$?
      fi
      case $code in
        # {said}
        {green}) {kept};;
        *) exit "$code" ;;    # 2 is a mistake of the configuration, or an alarm that nobody is told of
      esac
{artifacts}"""

_CACHE = """\
  cache:  # the log: where the cache is lost, the check says so and ends in 10
    key: promptops-drift
    paths: [{place}]
    when: always
"""

_RESTORE = """\
    - |
      # The log, of the newest run that kept one.
      url="$CI_API_V4_URL/projects/$CI_PROJECT_ID/jobs/artifacts/${{CI_COMMIT_REF_NAME//\\//%2F}}/download"
      got=$(curl -sS --retry 3 --location --output last.zip --write-out '%{{http_code}}' \\
        --header "Authorization: Bearer $PROMPTOPS_ISSUES_TOKEN" \\
        "$url?job=promptops-drift&search_recent_successful_pipelines=true") || got=000
      case $got in
        200) python -m zipfile -e last.zip "$CI_PROJECT_DIR" ;;
        404) echo "No run of this branch kept a log yet." ;;
        401|403) echo "PROMPTOPS_ISSUES_TOKEN may not read artifacts."; exit 2 ;;
        *) echo "Nothing was measured: GitLab answers $got."; exit 10 ;;
      esac
      rm -f last.zip
"""

_ARTIFACTS = """\
  artifacts:
    when: always
    expire_in: 90 days
    paths: [{place}]
"""


def gitlab(job: Job) -> str:
    """The text of the file to include."""
    artifact, kept = job.keep == "artifact", job.keep in {"cache", "artifact"}
    return _JOB.format(
        path=".gitlab/promptops-drift.yml",
        minute=job.minute,
        hour=job.hour,
        calibration=job.calibration_minute,
        keys=", ".join((*job.keys, "PROMPTOPS_ISSUES_TOKEN")),
        image=job.image or f"python:{job.python}",
        variables=f"  variables:\n    PROMPTOPS_DRIFT_STATE: {scalar(job.state)}\n" if kept else "",
        cache=_CACHE.format(place=scalar(job.place)) if job.keep == "cache" else "",
        restore=_RESTORE.format() if artifact else "",
        artifacts=_ARTIFACTS.format(place=scalar(job.place)) if artifact else "",
        install=job.install,
        folder=shlex.quote(job.folder),
        environment=job.environment,
        guard=_guard(job),
        night=job.night,
        hourly=job.hourly,
        # Artifacts are found by pipelines that succeeded, and by jobs that did.
        green="0|1|10|11" if artifact else "0|1",
        kept=f"{OR_LOST} " if artifact else "",
        said="stable; changed, which the issue tells"
        + ("; not measured, undecided, unless the log is lost" if artifact else ""),
    )


def _guard(job: Job) -> str:
    if "PROMPTOPS_DRIFT_STATE" not in job.keys:
        return ""
    return '      : "${PROMPTOPS_DRIFT_STATE:?set the variable PROMPTOPS_DRIFT_STATE}"\n'
