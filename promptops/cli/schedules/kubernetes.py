"""Cron jobs of Kubernetes. Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/"""

from __future__ import annotations

import json
import posixpath

from promptops.cli.schedules.job import GREEN, OR_LOST, Job

_IMAGE = "registry.example/my-prompts:latest"

_WORDS = """\
# The nightly drift check. Written by `promptops schedule kubernetes`; yours to edit.
# The image is one that you build: the repository in /work, with {requirement} installed{models}.
{secret}# The first time, and to accept a change, with the reason in place of "the first epoch":
#   kubectl create job --from=cronjob/promptops-drift promptops-accept --dry-run=client -o json \\
#     | jq '.spec.template.spec.containers[0].args = ["{accept}"]' \\
#     | kubectl create -f -
"""

_VOLUME = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: promptops-drift
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
---
"""

_CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: "{when}"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 7200
      ttlSecondsAfterFinished: 604800
      template:
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001  # who may write to the volume
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: promptops
              image: {image}
              workingDir: {folder}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: [ALL]
              resources:
                requests: {{cpu: 250m, memory: 512Mi}}
                limits: {{memory: 2Gi}}
{keys}              env:
                - name: HOME
                  value: /tmp
{state}              command: [sh, -c]
              args:
                - |
                  code=0
                  {command} || code=$?
                  case $code in
                    {green}) {kept}exit 0 ;;    # an outage is no failed job; an alarm goes to the webhook
                    *) exit "$code" ;;
                  esac
              volumeMounts:
                - name: store
                  mountPath: {mount}
                - name: scratch
                  mountPath: /tmp
          volumes:
            - name: store
{volume}            - name: scratch
              emptyDir: {{}}
"""

_ABOUT_KEYS = """\
# Keys are in a secret:
#   kubectl create secret generic promptops-keys {literals}
"""
_KEYS = "              envFrom:\n                - secretRef:\n                    name: promptops-keys\n"
_CLAIM = "              persistentVolumeClaim:\n                claimName: promptops-drift\n"
_SCRATCH = "              emptyDir: {}  # the log is in PostgreSQL\n"
_MODELS = "                - name: PROMPTOPS_CACHE_DIR\n                  value: /models\n"
_STATE = "                - name: PROMPTOPS_DRIFT_STATE\n                  value: {}\n"


def kubernetes(job: Job) -> str:
    """A volume for the log, unless that is in a PostgreSQL, and two cron jobs."""
    literals = " ".join(f"--from-literal={key}=…" for key in job.keys)
    accept = f'promptops drift accept --env {job.environment} --reason \\"the first epoch\\"'
    words = _WORDS.format(
        requirement=job.requirement,
        models="".join(f",\n# and `PROMPTOPS_CACHE_DIR=/models promptops models pull {name}`" for name in job.models),
        secret=_ABOUT_KEYS.format(literals=literals) if literals else "",
        accept=accept,
    )
    kept = job.keep == "volume"
    folder = "/work" if job.folder == "." else f"/work/{job.folder}"
    mount = posixpath.join(folder, job.store)

    def cron(name: str, when: str, command: str) -> str:
        return _CRON.format(
            name=name,
            when=when,
            command=command,
            folder=json.dumps(folder),
            image=json.dumps(job.image or _IMAGE),
            green=GREEN,
            kept=f"{OR_LOST}; " if kept else "",
            keys=_KEYS if literals else "",
            state=(_MODELS if job.models else "") + (_STATE.format(json.dumps(f"{mount}/drift")) if kept else ""),
            mount=json.dumps(mount),
            volume=_CLAIM if kept else _SCRATCH,
        )

    night = cron("promptops-drift", f"{job.minute} {job.hour} * * *", job.night)
    hourly = cron("promptops-calibrate", f"{job.calibration_minute} * * * *", job.hourly)
    return f"{words}{_VOLUME if kept else ''}{night}---\n{hourly}"
