"""Who counts: a vocabulary that is at hand, else an estimate; nothing is fetched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from promptops.config import Config, ModelLimits, ProviderConfig
from promptops.core.tokens import Estimate
from promptops.errors import ConfigError, MissingExtra
from promptops.models import Pin
from promptops.providers import vocabularies
from promptops.providers.vocabularies import context_window, counter_for

GPT = Pin("openai", "gpt-4.1-mini-2025-04-14")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was loaded by one test is not there for the next."""
    yield
    vocabularies._tiktoken.cache_clear()
    vocabularies._vocabulary.cache_clear()


def configured(**settings: Any) -> Config:
    models = {"m-1": ModelLimits(**settings)}
    return Config(providers={"acme": ProviderConfig(base_url="http://127.0.0.1:9/v1", models=models)})


def a_tiktoken(monkeypatch: pytest.MonkeyPatch, *, at_hand: bool) -> list[str]:
    """A package like tiktoken, whose vocabulary is there or would be fetched; returns what was fetched."""
    fetched: list[str] = []
    package, loading = ModuleType("tiktoken"), ModuleType("tiktoken.load")

    def read_file(path: str) -> bytes:
        fetched.append(path)
        return b""

    def get_encoding(name: str) -> Any:
        if not at_hand:
            loading.read_file(f"https://vocabularies.example/{name}")
        return SimpleNamespace(name=name, encode=lambda text, disallowed_special: list(text))

    loading.read_file = read_file  # type: ignore[attr-defined]
    package.get_encoding = get_encoding  # type: ignore[attr-defined]
    package.load = loading  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tiktoken", package)
    monkeypatch.setitem(sys.modules, "tiktoken.load", loading)
    return fetched


def test_a_vocabulary_that_is_at_hand_counts_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_tiktoken(monkeypatch, at_hand=True)
    counter = counter_for(GPT, Config(), tmp_path)
    assert (counter.by, counter.exact, counter.count("<|endoftext|>")) == ("o200k_base", True, 13)


def test_a_vocabulary_that_would_have_to_be_fetched_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = a_tiktoken(monkeypatch, at_hand=False)
    read = sys.modules["tiktoken.load"].read_file
    assert isinstance(counter_for(GPT, Config(), tmp_path), Estimate)
    assert fetched == []
    assert sys.modules["tiktoken.load"].read_file is read


def test_without_the_package_and_for_other_models_it_is_an_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    for pin in (GPT, Pin("anthropic", "claude-sonnet-5-5"), Pin("acme", "m-1")):
        counter = counter_for(pin, Config(), tmp_path)
        assert (counter.by, counter.exact) == ("estimate", False)


def test_a_configured_tokenizer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tokenizer:
        def __init__(self, path: str) -> None:
            self.path = path

        @classmethod
        def from_file(cls, path: str) -> Tokenizer:
            if "broken" in path:
                raise Exception("expected value at line 1")  # noqa: TRY002 - what the package raises
            return cls(path)

        def encode(self, text: str, *, add_special_tokens: bool) -> Any:
            assert not add_special_tokens
            return SimpleNamespace(ids=text.split())

    package = ModuleType("tokenizers")
    package.Tokenizer = Tokenizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tokenizers", package)
    (tmp_path / "own").mkdir()
    for name in ("tokenizer.json", "broken.json"):
        (tmp_path / "own" / name).write_text("{}")
    counter = counter_for(Pin("acme", "m-1"), configured(tokenizer="own/tokenizer.json"), tmp_path)
    assert (counter.by, counter.exact, counter.count("a b c")) == ("tokenizer.json", True, 3)
    for name, says in (("own/broken.json", "is no tokenizer.json"), ("own/gone.json", "no file"), ("../x", "no file")):
        with pytest.raises(ConfigError, match=says):
            counter_for(Pin("acme", "m-1"), configured(tokenizer=name), tmp_path)


def test_a_configured_tokenizer_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(MissingExtra, match=r"pytest-promptops\[tokens\]"):
        counter_for(Pin("acme", "m-1"), configured(tokenizer="tokenizer.json"), tmp_path)


@pytest.mark.parametrize(
    ("pin", "window"),
    [
        ("acme/m-1", 4_321),
        ("acme/m-2", None),
        ("openai/gpt-4o-2024-08-06", 128_000),
        ("openai/nobody-knows-it", None),
        ("local/x@0123456789ab", 2_048),
    ],
)
def test_what_a_model_takes_is_configured_or_listed(pin: str, window: int | None) -> None:
    assert context_window(Pin.parse(pin), configured(context_window=4_321)) == window
