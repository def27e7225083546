"""`python -m proof.real.collect --work FOLDER`: ask the real model once, and keep what it said for the bench.

Half an hour on one thread. What was asked of one variant is kept in the work folder, so that a run that was stopped
goes on. Needs `pip install xllamacpp gguf` and `promptops models pull smollm2-135m-instruct`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from proof.real.openings import LOOKED_AT, OPENINGS, OTHERS, PROBES, chat, opening
from proof.real.requantise import QUANTISATIONS, requantise

DATA = Path(__file__).parent.parent / "data"
FIRST, WRITTEN = "first_tokens.json.gz", "texts.json.gz"
TOP, TOP_BORDER = 100, 10
"""Log probabilities kept of a probe and of a border input."""
TOKENS, BASE_TEXTS, TEXTS = 50, 22, 12
"""Length of a text, and texts of one opening: of what is served before, and of each variant."""
SLOTS = 16
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@dataclass(frozen=True, slots=True)
class Variant:
    """What is served: a quantisation, a system prompt that a gateway adds, a temperature that it sets."""

    name: str
    weights: str | None = None
    system: str | None = None
    temperature: float = 1.0


VARIANTS = (
    Variant("Q4_1"),
    *(Variant(name, weights=name) for name in ("Q8_0", "Q4_0", "Q2_K")),
    Variant("system prompt", system=SYSTEM),
    Variant("temperature .8", temperature=0.8),
    Variant("temperature 1.2", temperature=1.2),
    *(Variant(name, weights=name) for name in QUANTISATIONS if name not in {"Q8_0", "Q4_0", "Q2_K"}),
)
BASE = VARIANTS[0]


class Served:
    """A server of one model file on loopback, one thread."""

    def __init__(self, path: Path, *, slots: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.model_alias = {"bench"}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_ctx = 256 * max(slots, 8)
        params.n_parallel = slots
        params.cache_prompt = slots > 1  # for sampled texts it is no matter, and saves half the time
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.verbosity = 1
        self._server = xllamacpp.Server(params)
        self._address = self._server.listening_address

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._address + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=7200) as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    def first(self, prompt: str, top: int) -> tuple[list[list[float]], int]:
        """The `top` likeliest first tokens with their log probabilities, and how many tokens the prompt has."""
        # An answer that ends at once would have no token to report on; what is reported is from before that.
        body = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": top, "ignore_eos": True}
        reply = self.post("/completion", body)
        if "completion_probabilities" not in reply:  # half a character is not reported before the other half
            reply = self.post("/completion", {**body, "n_predict": 4})
        likely = reply["completion_probabilities"][0]["top_logprobs"]
        return [[int(one["id"]), round(float(one["logprob"]), 5)] for one in likely], int(reply["tokens_evaluated"])

    def text(self, prompt: str, temperature: float, seed: int) -> list[int]:
        """The tokens of one sampled text: the whole distribution, no top k or p."""
        body = {"prompt": prompt, "n_predict": TOKENS, "temperature": temperature, "seed": seed, "return_tokens": True}
        reply = self.post("/completion", {**body, "top_k": 0, "top_p": 1.0, "min_p": 0.0})
        return [int(token) for token in reply["tokens"]]


@contextmanager
def served(path: Path, *, slots: int) -> Iterator[Served]:
    server: Served | None = Served(path, slots=slots)
    try:
        assert server is not None
        yield server
    finally:
        del server


def ask_probes(path: Path, variant: Variant) -> dict[str, Any]:
    """First tokens of what `promptops drift` asks: its probes, and the inputs among which it looks for near ties."""
    with served(path, slots=1) as server:
        probes = {text: server.first(chat(text, variant.system), TOP) for text in PROBES}
        looked = {text: server.first(chat(text, variant.system), TOP_BORDER) for text in LOOKED_AT}
    return {
        "probes": {text: likely for text, (likely, _) in probes.items()},
        "looked": {text: likely for text, (likely, _) in looked.items()},
        "probe_tokens": sum(count for _, count in probes.values()) / len(probes),
        "looked_tokens": sum(count for _, count in looked.values()) / len(looked),
    }


def ask_others(path: Path, variant: Variant) -> dict[str, Any]:
    """First tokens of as many inputs of the same kind, which nothing was chosen on."""
    with served(path, slots=1) as server:
        return {text: server.first(chat(text, variant.system), TOP_BORDER)[0] for text in OTHERS}


def ask_texts(path: Path, variant: Variant) -> dict[str, Any]:
    """Sampled texts of one variant, and what its tokens mean."""
    each = BASE_TEXTS if variant == BASE else TEXTS
    prompts = [chat(opening(text), variant.system) for text in OPENINGS]
    asked = [(place, number) for place in range(len(prompts)) for number in range(each)]
    with served(path, slots=SLOTS) as server, ThreadPoolExecutor(SLOTS) as workers:

        def ask(one: tuple[int, int]) -> list[int]:
            seed = int.from_bytes(hashlib.sha256(f"{variant.name} {one}".encode()).digest()[:4], "big")
            return server.text(prompts[one[0]], variant.temperature, seed)

        texts: list[list[list[int]]] = [[] for _ in prompts]
        for (place, _), tokens in zip(asked, workers.map(ask, asked), strict=True):
            texts[place].append(tokens)
        seen = sorted({token for group in texts for tokens in group for token in tokens})
        pieces = {token: str(server.post("/detokenize", {"tokens": [token]})["content"]) for token in seen}
        count = sum(len(server.post("/tokenize", {"content": p, "parse_special": True})["tokens"]) for p in prompts)
    return {"texts": texts, "pieces": pieces, "prompt_tokens": count / len(prompts)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m proof.real.collect", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the shipped Q4_1 file")
    parser.add_argument("--work", type=Path, required=True, help="folder for quantised files and what was asked so far")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of what is kept")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    files = {variant.name: _file(options.model, options.work, variant) for variant in VARIANTS}
    firsts, texts = {}, {}
    for variant in VARIANTS:
        if variant.temperature == 1.0:
            path, kept = files[variant.name], options.work / f"probes {variant.name}.json"
            firsts[variant.name] = _once(kept, partial(ask_probes, path, variant))
            kept = options.work / f"others {variant.name}.json"
            firsts[variant.name]["others"] = _once(kept, partial(ask_others, path, variant))
    for variant in VARIANTS:
        kept = options.work / f"texts {variant.name}.json"
        texts[variant.name] = _once(kept, partial(ask_texts, files[variant.name], variant))
        write(options.out, firsts, texts)
    return 0


def write(out: Path, firsts: dict[str, Any], texts: dict[str, Any]) -> None:
    """Two compressed JSON files, the same bytes from the same samples."""
    pieces = {token: piece for one in texts.values() for token, piece in one["pieces"].items()}
    out.mkdir(parents=True, exist_ok=True)
    _compressed(out / FIRST, {"first": firsts})
    _compressed(
        out / WRITTEN,
        {
            "texts": {name: one["texts"] for name, one in texts.items()},
            "prompt_tokens": {name: one["prompt_tokens"] for name, one in texts.items()},
            "pieces": dict(sorted(pieces.items(), key=lambda item: int(item[0]))),
        },
    )


def _compressed(path: Path, found: dict[str, Any]) -> None:
    path.write_bytes(gzip.compress(json.dumps(found, separators=(",", ":")).encode(), 9, mtime=0))


def _file(model: Path, work: Path, variant: Variant) -> Path:
    if variant.weights is None:
        return model
    target = work / f"{variant.weights}.gguf"
    if not target.exists():
        part = target.with_suffix(".part")
        changed = requantise(model, part, variant.weights)
        part.rename(target)
        print(f"{variant.weights}: {changed} matrices", file=sys.stderr, flush=True)
    return target


def _once(kept: Path, ask: Any) -> Any:
    if not kept.exists():
        started = time.monotonic()
        kept.write_text(json.dumps(ask()), "utf-8")
        print(f"{kept.stem}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return json.loads(kept.read_text("utf-8"))


if __name__ == "__main__":
    raise SystemExit(main())
