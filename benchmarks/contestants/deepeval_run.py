"""deepeval: test cases made with OpenAI's SDK, then two metrics of one's own through `evaluate`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openai
from deepeval import evaluate
from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase

SCHEMA = json.loads(os.environ["BENCH_SCHEMA"])


class Checked(BaseMetric):
    """A metric that is right or not, and asks no model."""

    async_mode, threshold, include_reason = True, 1.0, False

    def measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        self.score = float(self.holds(test_case))
        self.success = self.score >= 1
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        return self.measure(test_case)

    def is_successful(self) -> bool:
        return bool(self.success)

    def holds(self, test_case: LLMTestCase) -> bool:
        raise NotImplementedError


class FitsSchema(Checked):
    def holds(self, test_case: LLMTestCase) -> bool:
        return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(json.loads(test_case.actual_output)))

    @property
    def __name__(self) -> str:
        return "Fits the schema"


class IsExpected(Checked):
    def holds(self, test_case: LLMTestCase) -> bool:
        return bool(json.loads(test_case.actual_output)["sentiment"] == test_case.expected_output)

    @property
    def __name__(self) -> str:
        return "Is expected"


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int) -> list[LLMTestCase]:
    rows = iter(read(path))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        found = await asyncio.gather(*(work(rows, client) for _ in range(concurrency)))
    return [case for cases in found for case in cases]


async def work(rows: Iterator[Any], client: openai.AsyncOpenAI) -> list[LLMTestCase]:
    cases = []
    for row in rows:
        text = row["inputs"]["text"]
        reply = await client.chat.completions.create(
            model="model-1",
            messages=[{"role": "user", "content": f"Is this kind? {text}"}],
            temperature=0.0,
            max_tokens=20,
        )
        output, expected = reply.choices[0].message.content or "", row["expected"]["sentiment"]
        cases.append(LLMTestCase(input=text, actual_output=output, expected_output=expected))
    return cases


if __name__ == "__main__":
    many = int(sys.argv[3])
    result = evaluate(
        test_cases=asyncio.run(ask_all(sys.argv[1], sys.argv[2], many)),
        metrics=[FitsSchema(), IsExpected()],
        async_config=AsyncConfig(max_concurrent=many),
        display_config=DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False),
        cache_config=CacheConfig(write_cache=False),
    )
    print(sum(bool(found.success) for found in result.test_results))
