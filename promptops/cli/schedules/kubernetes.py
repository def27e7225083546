"""Cron jobs of Kubernetes. Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/"""

from __future__ import annotations

import json

from promptops.cli.schedules.job import GREEN, Job

_IMAGE = "registry.example/my-prompts:latest"

_VOLUME = """\
# The nightly drift check. Written by `promptops schedule kubernetes`; yours to edit.
# The image is one that you build: the repository in /work, with pytest-promptops installed. Keys are in a secret:
#   kubectl create secret generic promptops-keys {literals}
# The first time, and to accept a change, with the reason in place of "the first epoch":
#   kubectl create job --from=cronjob/promptops-drift promptops-accept --dry-run=client -o json \\
#     | jq '.spec.template.spec.containers[0].args = ["{accept}"]' \\
#     | kubectl create -f -
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: promptops-drift
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
"""

_CRON = """\
---
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
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: promptops
              image: {image}
              workingDir: /work
              envFrom:
                - secretRef:
                    name: promptops-keys
              env:
                - name: PROMPTOPS_DRIFT_STATE
                  value: /state/drift
              command: [sh, -c]
              args:
                - |
                  code=0
                  {command} || code=$?
                  case $code in
                    {green}) exit 0 ;;    # an outage is no failed job; an alarm goes to the webhook
                    *) exit "$code" ;;
                  esac
              volumeMounts:
                - name: state
                  mountPath: /state
          volumes:
            - name: state
              persistentVolumeClaim:
                claimName: promptops-drift
"""


def kubernetes(job: Job) -> str:
    """A volume for the log and two cron jobs."""
    literals = " ".join(f"--from-literal={key}=…" for key in job.keys)
    night = f"promptops drift --env {job.environment} --require-state"
    hourly = f"promptops drift calibrate --env {job.environment}"
    image = json.dumps(job.image or _IMAGE)
    accept = f'promptops drift accept --env {job.environment} --reason \\"the first epoch\\"'
    return (
        _VOLUME.format(literals=literals, accept=accept)
        + _CRON.format(
            name="promptops-drift", when=f"{job.minute} {job.hour} * * *", image=image, command=night, green=GREEN
        )
        + _CRON.format(
            name="promptops-calibrate",
            when=f"{job.calibration_minute} * * * *",
            image=image,
            command=hourly,
            green=GREEN,
        )
    )
