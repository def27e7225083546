"""How the model is served. These settings, and only these, make its answers reproducible."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct, to_builtins

from promptops.errors import MissingExtra


class Settings(Struct, frozen=True):
    """What llama.cpp is started with.

    The prompt cache is off and there is one slot: with either, greedy answers depend on what was asked before.
    One thread is slower than two on an idle machine, and ten times faster on a busy one. `context` is tokens.
    """

    context: int = 2048
    threads: int = 1
    slots: int = 1
    cache_prompt: bool = False


SETTINGS = Settings()
PROTOCOL = 1  # of the server's door: raise it when users of one version could not talk to the server of another


def engine_version() -> str:
    """The version of xllamacpp, without importing it; raises `MissingExtra`."""
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        raise MissingExtra("local", "a model on this machine (local/…)") from None


def settings_digest(settings: Settings, engine: str) -> str:
    """12 hex digits: servers with another engine or other settings answer differently, and are not shared."""
    text = json.dumps([PROTOCOL, to_builtins(settings), engine], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
