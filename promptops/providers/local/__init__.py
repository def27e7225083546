"""Models that run on this machine: weights from a package registry, served on loopback by llama.cpp.

`catalog` names the models, `pull` fetches one, `files` finds and verifies it, `launcher` finds or starts the one
server that all processes share, `server` is that process, `provider` asks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.models import Pin
    from promptops.providers.base import Provider


def open_local(pin: Pin, environ: Mapping[str, str]) -> Provider:
    """Return the provider of a `local/` pin; nothing is started before it is asked.

    Raises `UsageError` for an unknown model or a pin without digest, `MissingExtra` without llama.cpp and
    `ModelFileError` where the model is not pulled.
    """
    from promptops.providers.local.provider import open_model

    return open_model(pin, environ)


__all__ = ["open_local"]
