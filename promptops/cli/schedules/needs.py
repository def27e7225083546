"""What a job needs for the endpoints that it watches: keys out of secrets, extras of the package, local models."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptops.core.wire.endpoints import settings_of

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.models import Pin

DISTRIBUTION: Final = "pytest-promptops"
_AWS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


class Needs(Struct, frozen=True):
    """`keys` are names of variables, `extras` those of the package, `models` what `promptops models pull` takes."""

    keys: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """What pip installs: the version that wrote the job, so that a job changes only when somebody changes it."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        try:
            return f"{DISTRIBUTION}{extras}=={version(DISTRIBUTION)}"
        except PackageNotFoundError:
            return f"{DISTRIBUTION}{extras}"


def needs_of(pins: Iterable[Pin], config: Config, *, url_kept: bool) -> Needs:
    """Return what watching `pins` needs; without any (nothing is served yet) what all configured providers need.

    `url_kept`: the log is in a PostgreSQL.
    """
    listed = list(pins)
    providers = {pin.provider for pin in listed} or set(config.providers)
    for name in tuple(providers):
        settings = settings_of(name, config)
        providers |= set(settings.failover) if settings is not None else set()
    keys, extras = set[str](), {"postgres"} if url_kept else set[str]()
    for name in providers - {"local"}:
        settings = settings_of(name, config)
        if settings is not None and settings.api_key_env:
            keys.add(settings.api_key_env)
        elif settings is not None and settings.format.startswith("bedrock"):
            keys.update(_AWS)
        if settings is not None and settings.format.startswith("bedrock"):
            extras.add("bedrock")
    models = sorted({pin.model.partition("@")[0] for pin in listed if pin.provider == "local"})
    if models:
        extras.add("local")
    return Needs(tuple(sorted(keys)), tuple(sorted(extras)), tuple(models))
