"""Where a run's replies are kept beside memory, and what tells two replies to one request apart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptops.config import CacheConfig, ProviderConfig
from promptops.errors import ProviderError
from promptops.models import Pin, PlannedSample, Sample
from promptops.runner.shelf import Shelf
from promptops.store.cache import open_cache

if TYPE_CHECKING:
    from promptops.runner.session import Session

SPILLED: Final = 1 << 30  # bytes of a run's temporary file


class Shelves(Struct, frozen=True):
    """`older` takes the replies of this run that memory lets go of, `kept` is the cache across runs (None: there is
    none).

    `place` says which endpoint a planned sample asks and how its reply is redacted, `served_by` whether a model that a
    reply names is the pinned one, `redacted` what a file may hold of a sample. `reads` is False in a run whose point is
    a fresh measurement: it fills the cache, and finds nothing in it.
    """

    place: Callable[[PlannedSample], str]
    served_by: Callable[[PlannedSample, str | None], bool]
    redacted: Callable[[Sample], Sample]
    older: Callable[[], Shelf]
    kept: Shelf | None = None
    reads: bool = True


def shelves_of(session: Session) -> Shelves:
    """The shelves of a session's run; raises `UsageError` and `MissingExtra` for a cache that cannot be opened."""
    config = cache_config(session)
    kept = None
    if config is not None:
        kept = Shelf(open_cache(config, session.project.store_dir, session.environ))
    return Shelves(
        place=_Places(session),
        served_by=lambda planned, served: _is_served(session, planned.request.pin, served),
        redacted=session.redacted,
        older=_temporary,
        kept=kept,
        reads=session.mode != "record",
    )


def check_cache(session: Session) -> None:
    """Raise `UsageError` or `MissingExtra` where a run of this session could not open its cache."""
    config = cache_config(session)
    if session.mode != "replay" and config is not None and config.url is not None:
        open_cache(config, session.project.store_dir, session.environ).close()


def cache_config(session: Session) -> CacheConfig | None:
    """The cache across runs: as chosen, else as configured; None where there is none."""
    chosen, configured = session.choices.cache, session.project.config.cache
    if chosen is None:
        return configured
    return (configured or CacheConfig()) if chosen else None


def _temporary() -> Shelf:
    from promptops.store.cache_sqlite import SqliteCache

    return Shelf(SqliteCache(None, ttl=math.inf, max_bytes=SPILLED))


class _Places:
    """`place` of a session: computed once for each prompt and pin."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, Pin], str] = {}

    def __call__(self, planned: PlannedSample) -> str:
        key = (planned.key.prompt, planned.request.pin)
        if key not in self._known:
            patterns = self._session.redactor(planned.key.prompt).patterns
            self._known[key] = json.dumps([_endpoint(self._session, planned.request.pin), patterns])
        return self._known[key]


def _endpoint(session: Session, pin: Pin) -> list[object]:
    """Whatever of a provider's settings decides what it answers; no key, and nothing that only decides when."""
    settings = _settings(session, pin)
    if settings is None:  # a model of this machine names its file
        return [str(pin)]
    return [settings.base_url.rstrip("/"), settings.format, settings.seed, _called(settings, pin)]


def _is_served(session: Session, pin: Pin, served: str | None) -> bool:
    from promptops.providers.identity import check_identity

    settings = _settings(session, pin)
    try:
        check_identity(pin, served, {}, called=_called(settings, pin) if settings else None)
    except ProviderError:
        return False
    return True


def _settings(session: Session, pin: Pin) -> ProviderConfig | None:
    from promptops.providers.registry import KNOWN

    return session.project.config.providers.get(pin.provider) or KNOWN.get(pin.provider)


def _called(settings: ProviderConfig, pin: Pin) -> str | None:
    model = settings.models.get(pin.model)
    return model.name if model else None
