"""What is watched: the distinct endpoints behind the pins that an environment serves, not prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptops.config import Config
from promptops.core.wire.endpoints import settings_of
from promptops.models import Pin


class Endpoint(Struct, frozen=True):
    """One model at one address. `route` is that address; `serves` names the versions behind it, as `booking@v2`."""

    pin: Pin
    route: str
    serves: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the log and people call it: the pin. Another address of the same pin is a notice."""
        return str(self.pin)


def distinct(served: Sequence[tuple[str, Pin]], config: Config) -> list[Endpoint]:
    """Return one endpoint for each address and model among (version, pin), sorted.

    Two providers by name that are one address, with one model of the same name, are one endpoint: that of the first.
    """
    found: dict[tuple[str, str], tuple[Pin, list[str]]] = {}
    for version, pin in sorted(served, key=lambda item: (str(item[1]), item[0])):
        route = route_of(pin, config)
        found.setdefault((route, called(pin, config)), (pin, []))[1].append(version)
    return [Endpoint(pin, route, tuple(versions)) for (route, _), (pin, versions) in found.items()]


def route_of(pin: Pin, config: Config) -> str:
    """Return the address of a pin's provider, as configured or known; `local` for a model on this machine."""
    settings = settings_of(pin.provider, config)
    return settings.base_url.rstrip("/") if settings is not None else pin.provider


def called(pin: Pin, config: Config) -> str:
    """Return what the endpoint itself calls the model."""
    settings = settings_of(pin.provider, config)
    limits: Mapping[str, object] = {} if settings is None else settings.models
    named = getattr(limits.get(pin.model), "name", None)
    return named or pin.model
