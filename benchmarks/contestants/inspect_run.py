"""inspect_ai: a task with one generation and one scorer that does both checks, over its OpenAI-compatible provider."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import jsonschema
from inspect_ai import Task
from inspect_ai import eval as inspect_eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score, Target, accuracy, scorer
from inspect_ai.solver import TaskState, generate

SCHEMA = json.loads(os.environ["BENCH_SCHEMA"])


@scorer(metrics=[accuracy()])
def both() -> Any:
    async def score(state: TaskState, target: Target) -> Score:
        found = json.loads(state.output.completion)
        fits = jsonschema.Draft202012Validator(SCHEMA).is_valid(found)
        return Score(value=int(fits and found["sentiment"] == target.text))

    return score


def main(url: str, path: str, concurrency: int) -> int:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    samples = [
        Sample(id=r["id"], input=f"Is this kind? {r['inputs']['text']}", target=r["expected"]["sentiment"])
        for r in rows
    ]
    task = Task(name="kind", dataset=MemoryDataset(samples), solver=generate(), scorer=both())
    config = GenerateConfig(temperature=0.0, max_tokens=20, max_connections=concurrency)
    model = get_model("openai-api/loop/model-1", base_url=url, api_key="none", config=config)
    log_dir = Path(os.environ["BENCH_SCRATCH"]) / "inspect"
    (log,) = inspect_eval(task, model=model, max_samples=concurrency, display="none", log_dir=str(log_dir))
    return sum(int(score.value) for sample in log.samples or [] for score in (sample.scores or {}).values())


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
