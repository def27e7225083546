"""A job of GitLab CI, to be included and scheduled. Source: https://docs.gitlab.com/ci/yaml/, https://docs.gitlab.com/api/issues/"""

from __future__ import annotations

from promptops.cli.schedules.job import GREEN, Job

_JOB = """\
# The nightly drift check. Written by `promptops schedule gitlab`; yours to edit.
# Include it in .gitlab-ci.yml (`include: {{local: {path}}}`) and add two pipeline schedules (UTC):
#   {minute} {hour} * * *   with the variable PROMPTOPS_DRIFT=night
#   {calibration} * * * *   with PROMPTOPS_DRIFT=calibrate, for three days
# The first time, and to accept a change: run a pipeline by hand with PROMPTOPS_DRIFT=night and ACCEPT=<the reason>.
# Variables, masked: {keys}; PROMPTOPS_GITLAB_TOKEN (scope api) opens the issue.
promptops-drift:
  image: {image}
  rules:
    - if: $PROMPTOPS_DRIFT
  resource_group: promptops-drift
  timeout: 90m
  interruptible: false
  variables:
    PROMPTOPS_DRIFT_STATE: {state}
{cache}  before_script:
    - pip install --quiet "{requirement}"
    - apt-get update -qq && apt-get install -y -qq curl jq unzip > /dev/null
  script:
    - cd {folder}
{restore}    - |
      code=0
      if [ -n "$ACCEPT" ]; then promptops drift accept --env {environment} --reason "$ACCEPT"; fi
      if [ "$PROMPTOPS_DRIFT" = calibrate ]; then
        promptops drift calibrate --env {environment} > drift.txt 2>&1 || code=$?
      else
        promptops drift --env {environment} --require-state > drift.txt 2>&1 || code=$?
      fi
      cat drift.txt
      {{ echo '```text'; head -c 60000 drift.txt | sed 's/```/` ` `/g'; echo '```'; }} > drift.md
      if [ "$code" = 1 ] && [ -n "$PROMPTOPS_GITLAB_TOKEN" ]; then
        # One issue: while it is open, nothing is opened.
        issues="$CI_API_V4_URL/projects/$CI_PROJECT_ID/issues"
        token="PRIVATE-TOKEN: $PROMPTOPS_GITLAB_TOKEN"
        open=$(curl -fsS --header "$token" "$issues?state=opened&labels=promptops-drift" | jq length)
        if [ "$open" = 0 ]; then
          curl -fsS --header "$token" --data-urlencode "title=promptops drift: a served model answers differently" \\
            --data-urlencode "labels=promptops-drift" --data-urlencode "description@drift.md" "$issues" > /dev/null
        fi
      fi
      case $code in
        {green}) ;;           # stable, changed, not measured, undecided: said above
        *) exit "$code" ;;    # configuration, or a bug
      esac
  artifacts:
    when: always
    expire_in: 90 days
    paths: [{path_of_folder}drift.txt, {path_of_state}]
"""

_CACHE = """\
  cache:  # the log: where the cache is lost, the check says so and ends in 10
    key: promptops-drift
    paths: [{path_of_state}]
    when: always
"""

_ARTIFACT = """\
    - |
      url="$CI_API_V4_URL/projects/$CI_PROJECT_ID/jobs/artifacts/$CI_COMMIT_REF_NAME/download?job=promptops-drift"
      if curl -fsS --header "JOB-TOKEN: $CI_JOB_TOKEN" -o last.zip "$url"; then
        unzip -qo last.zip "{path_of_state}/*" -d "$CI_PROJECT_DIR"; rm last.zip
      fi
"""


def gitlab(job: Job) -> str:
    """The text of the file to include."""
    below = "" if job.folder == "." else f"{job.folder}/"
    state = f"{below}{job.state}"
    return _JOB.format(
        path=".gitlab/promptops-drift.yml",
        minute=job.minute,
        hour=job.hour,
        calibration=job.calibration_minute,
        keys=", ".join(job.keys),
        image=job.image or "python:3.12-slim",
        state=job.state,
        cache=_CACHE.format(path_of_state=state) if job.keep == "cache" else "",
        restore=_ARTIFACT.format(path_of_state=state) if job.keep == "artifact" else "",
        requirement=job.requirement,
        folder=job.folder,
        environment=job.environment,
        green=GREEN,
        path_of_state=state,
        path_of_folder=below,
    )
