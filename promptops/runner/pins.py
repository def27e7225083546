"""Which pins are in use, by whom, and what is known of each: length of the prompt, price, end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from promptops.config import Price
from promptops.core.aliases import snapshot_of
from promptops.core.model_life import Life, life_of
from promptops.core.price_list import edition, listed
from promptops.errors import ProblemsError, UsageError
from promptops.models import Pin
from promptops.project.manifest import load_manifest
from promptops.project.prompts import load_version, version_names
from promptops.providers.vocabularies import context_window

if TYPE_CHECKING:
    from promptops.project.root import Project
    from promptops.providers.model_list import ListedModel

_LONGEST_LINE = 10  # successors of successors


class User(Struct, frozen=True):
    """Who uses a pin: `environments` serve this version of `prompt`, `newest` is what comes next.

    `fallback_of` names the pin that this one stands in for at run time, then there is no prompt.
    """

    prompt: str = ""
    version: str = ""
    environments: tuple[str, ...] = ()
    newest: bool = False
    fallback_of: str = ""


class PinInUse(Struct, frozen=True):
    """One pin. `price` is what its tokens cost (None: unknown) by `price_source`, `context_window` in tokens."""

    pin: Pin
    users: tuple[User, ...]
    life: Life
    price: Price | None
    batch: tuple[float, float] | None
    price_source: str
    context_window: int | None
    advised_against: bool

    def due(self, today: date, within: timedelta) -> bool:
        """Whether its model is gone, or will be `within` from `today`."""
        return self.life.due(today, within)


class Pins(Struct, frozen=True):
    """All pins in use, and the problems of versions whose pin cannot be read."""

    pins: tuple[PinInUse, ...]
    broken: tuple[ProblemsError, ...]


def pins_in_use(project: Project, today: date, online: Mapping[str, Mapping[str, ListedModel]] | None = None) -> Pins:
    """Look up every pin that an environment serves, the newest version of a prompt names, or a fallback names.

    `online` is what each provider's list of models said, by provider and model id.
    """
    users: dict[Pin, list[User]] = {}
    broken = _collect(project, users)
    for pin, others in project.config.fallbacks.items():
        for other in others:
            users.setdefault(Pin.parse(other), []).append(User(fallback_of=pin))
    found = [_looked_up(project, pin, tuple(users[pin]), today, online or {}) for pin in sorted(users)]
    return Pins(tuple(found), tuple(broken))


def _collect(project: Project, users: dict[Pin, list[User]]) -> list[ProblemsError]:
    manifest, broken = load_manifest(project), []
    served: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for environment, entries in manifest.environments.items():
        for prompt, entry in entries.prompts.items():
            served.setdefault((prompt, entry.version), (entry.pin, []))[1].append(environment)
    newest = {name: versions[-1] for name in project.prompt_names() if (versions := version_names(project, name))}
    for prompt, version in sorted({*served, *newest.items()}):
        pin_text, environments = served.get((prompt, version), ("", []))
        try:
            pin = Pin.parse(pin_text) if pin_text else load_version(project, prompt, version).pin
        except (ProblemsError, UsageError) as error:
            broken += [error] if isinstance(error, ProblemsError) else []
            continue
        user = User(prompt, version, tuple(sorted(environments)), newest=newest.get(prompt) == version)
        users.setdefault(pin, []).append(user)
    return broken


def _looked_up(
    project: Project,
    pin: Pin,
    users: tuple[User, ...],
    today: date,
    online: Mapping[str, Mapping[str, ListedModel]],
) -> PinInUse:
    entry = listed(pin, at=datetime.combine(today, time(12), UTC))
    own = project.config.prices.get(str(pin))
    price, source = own, "[tool.promptops.prices]" if own else ""
    batch = (own.input * own.batch, own.output * own.batch) if own and own.batch else None
    if price is None and entry is not None and entry.input is not None and entry.output is not None:
        price = Price(input=entry.input, output=entry.output, cached=entry.cached, cache_write=entry.cache_write)
        source = edition() + (", a short prompt" if entry.tiered else "")
        both = (entry.batch_input, entry.batch_output)
        batch = (both[0], both[1]) if both[0] is not None and both[1] is not None else None
    life, context = life_of(pin), context_window(pin, project.config)
    if (answered := online.get(pin.provider)) is not None:
        limits = project.config.providers[pin.provider].models if pin.provider in project.config.providers else {}
        called = limits[pin.model].name if pin.model in limits else None
        life, context = _asked(life, answered.get(called or pin.model), pin, today, context)
    if life.replacement:
        life = replace(life, replacement=str(lasting(Pin.parse(life.replacement), today)))
    advised = bool(entry and entry.deprecated)
    return PinInUse(pin, users, life, price, batch, source, context, advised_against=advised)


def lasting(pin: Pin, today: date) -> Pin:
    """Follow a recommendation to a pin: a snapshot where it floats, and what came after it where it is gone, too."""
    for _ in range(_LONGEST_LINE):
        pin = snapshot_of(pin) or pin
        life = life_of(pin)
        if life.status(today) != "gone" or not life.replacement:
            break
        pin = Pin.parse(life.replacement)
    return pin


def _asked(
    life: Life, found: ListedModel | None, pin: Pin, today: date, context: int | None
) -> tuple[Life, int | None]:
    """What the endpoint's own list says goes before any table."""
    if found is None:
        return replace(life, served=False, source=life.source or "the endpoint's list of models"), context
    life = replace(life, served=True)
    if found.deprecated or found.shutdown:
        life = replace(
            life,
            deprecated=found.deprecated or life.deprecated,
            shutdown=found.shutdown or life.shutdown,
            earliest=life.earliest and not found.shutdown,
            source="the endpoint's list of models",
            read=today.isoformat(),
        )
    if found.replacement:
        life = replace(life, replacement=f"{pin.provider}/{found.replacement}")
    if not life.source:
        life = replace(life, source="the endpoint's list of models", read=today.isoformat())
    return life, found.context_window or context
