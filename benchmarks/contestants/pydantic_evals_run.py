"""pydantic-evals: a dataset, two evaluators, and OpenAI's SDK in the task."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import openai
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext

SCHEMA = json.loads(os.environ["BENCH_SCHEMA"])


@dataclass
class FitsSchema(Evaluator[str, str, None]):
    def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> bool:
        return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(json.loads(ctx.output)))


@dataclass
class IsExpected(Evaluator[str, str, None]):
    def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> bool:
        return bool(json.loads(ctx.output)["sentiment"] == ctx.expected_output)


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int) -> int:
    rows = read(path)
    dataset: Any = Dataset(
        name="kind",
        cases=[
            Case(name=r["id"], inputs=r["inputs"]["text"], expected_output=r["expected"]["sentiment"]) for r in rows
        ],
        evaluators=[FitsSchema(), IsExpected()],
    )
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def task(text: str) -> str:
            reply = await client.chat.completions.create(
                model="model-1",
                messages=[{"role": "user", "content": f"Is this kind? {text}"}],
                temperature=0.0,
                max_tokens=20,
            )
            return reply.choices[0].message.content or ""

        report = await dataset.evaluate(task, max_concurrency=concurrency, progress=False)
    return sum(all(found.value for found in case.assertions.values()) for case in report.cases)


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
