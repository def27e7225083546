"""Who counts the tokens of a model: its own vocabulary where it is at hand, else an estimate. Nothing is fetched.

Sources: https://github.com/openai/tiktoken (MIT): `load.py` for where vocabularies are kept ($TIKTOKEN_CACHE_DIR);
https://huggingface.co/docs/tokenizers (Apache-2.0) for `tokenizer.json`.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any, Final

from promptops.config import Config, ModelLimits
from promptops.core.price_list import listed
from promptops.core.tokens import Estimate, TextCounter, vocabulary_of
from promptops.errors import ConfigError, MissingExtra, Problem
from promptops.models import Pin

MAX_VOCABULARY: Final = 256 << 20  # bytes of a tokenizer.json
_loading: Final = threading.Lock()


class Tiktoken:
    """Counts with one of tiktoken's vocabularies."""

    exact = True

    def __init__(self, encoding: Any) -> None:
        self.by: str = encoding.name
        self._encoding = encoding

    def count(self, text: str) -> int:
        return len(self._encoding.encode(text, disallowed_special=()))


class Vocabulary:
    """Counts with a `tokenizer.json`."""

    exact = True

    def __init__(self, tokenizer: Any, name: str) -> None:
        self.by = name
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def counter_for(pin: Pin, config: Config, root: Path) -> TextCounter:
    """Return what counts for a pin: its configured `tokenizer`, its tiktoken vocabulary, else an estimate.

    Raises `ConfigError` for a configured tokenizer that cannot be read, `MissingExtra` where its package is missing.
    """
    if (written := model_settings(pin, config).tokenizer) is not None:
        return _vocabulary(root.resolve(), written)
    name = vocabulary_of(pin)
    return (_tiktoken(name) if name else None) or Estimate()


def context_window(pin: Pin, config: Config) -> int | None:
    """Return how many tokens prompt and answer may have together: as configured, else as listed; None: unknown."""
    if pin.provider == "local":
        from promptops.providers.local.settings import SETTINGS

        return SETTINGS.context
    if (own := model_settings(pin, config).context_window) is not None:
        return own
    found = listed(pin)
    return found.context_window if found else None


def model_settings(pin: Pin, config: Config) -> ModelLimits:
    """What is configured for one model of a provider; all defaults where nothing is."""
    provider = config.providers.get(pin.provider)
    return (provider.models.get(pin.model) if provider else None) or ModelLimits()


@functools.cache
def _tiktoken(name: str) -> TextCounter | None:
    """A vocabulary that is installed or was fetched before; None where it would have to be fetched."""
    try:
        import tiktoken
        import tiktoken.load
    except ImportError:
        return None

    def refuse(path: str) -> bytes:
        raise _WouldFetch(path)

    with _loading:
        read, tiktoken.load.read_file = tiktoken.load.read_file, refuse
        try:
            return Tiktoken(tiktoken.get_encoding(name))
        except (_WouldFetch, OSError, ValueError):
            return None
        finally:
            tiktoken.load.read_file = read


class _WouldFetch(Exception):
    """tiktoken asks the network."""


@functools.cache
def _vocabulary(root: Path, written: str) -> TextCounter:
    path = (root / written).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise _refused(written, "is no file of the project")
    if path.stat().st_size > MAX_VOCABULARY:
        raise _refused(written, f"has more than {MAX_VOCABULARY >> 20} MB")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtra("tokens", f"the tokenizer {written}") from None
    try:
        return Vocabulary(Tokenizer.from_file(str(path)), path.name)
    except Exception as error:  # the package raises plain Exception
        raise _refused(written, f"is no tokenizer.json: {str(error)[:200]}") from error


def _refused(written: str, why: str) -> ConfigError:
    return ConfigError([Problem("pyproject.toml", 0, f"tool.promptops.providers: the tokenizer {written!r} {why}")])
