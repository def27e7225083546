"""The embedded model, swapped behind a live endpoint between two nights, by the command on a simulated clock."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from promptops.providers.local.catalog import CATALOG
from promptops.providers.local.files import cache_dir, is_pulled, verified
from promptops.testing import Answer, LoopbackServer
from proof.real.collect import Served, served
from proof.real.openings import chat
from proof.real.requantise import requantise
from tests.cli.night import Night

MODEL = CATALOG[0]
PULLED = is_pulled(MODEL, cache_dir(os.environ))
SHOWN, KNOWN = 20, 100

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(not PULLED, reason=f"the model is not here: run `promptops models pull {MODEL.name}`"),
]


class Endpoint:
    """Serves `weights`: their engine says how likely each first token is, and which one comes is drawn from that.

    The engine is asked once for a text, since it says the same again; other requests than for one token get `fine`.
    """

    def __init__(self, serve: Callable[[Path], Served], weights: Path) -> None:
        self.serve, self.weights, self.logprobs = serve, weights, True
        self.engines: dict[Path, Served] = {}
        self.likely: dict[tuple[Path, str], list[list[float]]] = {}
        self.rng = random.Random(11)

    def __call__(self, asked: dict[str, Any]) -> Answer:
        if asked.get("max_tokens") != 1:
            return Answer("fine")
        if asked.get("logprobs") and not self.logprobs:
            return Answer(status=400)
        likely = self._likely(str(asked["messages"][-1]["content"]))
        listed = [{"token": f"t{token:g}", "logprob": log} for token, log in likely]
        token = listed[self._drawn([log for _, log in likely], float(asked["temperature"]))]
        choice: dict[str, Any] = {
            "message": {"role": "assistant", "content": token["token"]},
            "finish_reason": "length",
        }
        if asked.get("logprobs"):
            choice["logprobs"] = {"content": [{**token, "top_logprobs": listed[:SHOWN]}]}
        return Answer(fields={"choices": [choice]})

    def _likely(self, text: str) -> list[list[float]]:
        if self.weights not in self.engines:
            self.engines[self.weights] = self.serve(self.weights)
        known = self.weights, text
        if known not in self.likely:
            self.likely[known] = self.engines[self.weights].first(chat(text), KNOWN)[0]
        return self.likely[known]

    def _drawn(self, logs: list[float], temperature: float) -> int:
        if temperature == 0:
            return 0
        return self.rng.choices(range(len(logs)), [math.exp(log / temperature) for log in logs])[0]


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped file in another quantisation."""
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    target = tmp_path_factory.mktemp("weights") / "Q4_0.gguf"
    requantise(verified(MODEL, cache_dir(os.environ)), target, "Q4_0")
    return target


@pytest.fixture
def endpoint(swapped: Path) -> Iterator[Endpoint]:
    with ExitStack() as stack:
        yield Endpoint(lambda path: stack.enter_context(served(path, slots=1)), verified(MODEL, cache_dir(os.environ)))


@pytest.mark.parametrize("logprobs", [True, False], ids=["1a", "1b"])
def test_the_night_of_the_swap_is_changed_and_those_before_are_stable(
    logprobs: bool,
    endpoint: Endpoint,
    swapped: Path,
    in_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint.logprobs = logprobs
    with LoopbackServer(endpoint) as server:
        night = Night(in_folder, server, monkeypatch)
        night.begin()
        assert [night.drift(days=1) for _ in range(5)] == [0] * 5
        assert f"tier {'1a' if logprobs else '1b'}" in capsys.readouterr().out
        endpoint.weights = swapped
        assert night.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "CHANGED: test/model-1" in out
    assert "said by the fast lane" in out
    assert "pin      moved" in out
