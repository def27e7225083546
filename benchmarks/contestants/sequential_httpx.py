"""What people write first: pytest, one parametrised test, one request after the other over one httpx client.

Run by pytest; the base URL and the file with the cases come from the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

CASES = [json.loads(line) for line in Path(os.environ["BENCH_CASES"]).read_text(encoding="utf-8").splitlines()]
SCHEMA = json.loads(os.environ["BENCH_SCHEMA"])


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(base_url=os.environ["BENCH_URL"], timeout=60.0) as client:
        yield client


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: dict[str, Any], client: httpx.Client) -> None:
    body = {
        "model": "model-1",
        "messages": [{"role": "user", "content": f"Is this kind? {case['inputs']['text']}"}],
        "temperature": 0.0,
        "max_tokens": 20,
    }
    found = json.loads(client.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"])
    jsonschema.validate(found, SCHEMA)
    assert found["sentiment"] == case["expected"]["sentiment"]
