"""What `promptops models` says of the pins in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from promptops.config import Price
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line
from promptops.runner.pins import PinInUse, User


def pin_lines(found: PinInUse, today: date, within: timedelta) -> Iterator[Line]:
    """The block of one pin."""
    style: Style = "bad" if found.due(today, within) else "title"
    yield Line(one_line(str(found.pin)), style)
    yield Line(f"  {life_words(found, today)}", "warn" if found.life.shutdown or found.advised_against else "plain")
    context = f"{found.context_window:,} tokens" if found.context_window else "unknown"
    yield Line(f"  context {context}; {price_words(found)}")
    for user in found.users:
        yield Line(f"  used by {one_line(user_words(user))}")
    if found.life.replacement:
        yield Line(f"  move to {one_line(found.life.replacement)}")
    if found.life.source:
        read = f", read {found.life.read}" if found.life.read else ""
        yield Line(f"  source: {one_line(found.life.source)}{read}", "dim")


def life_words(found: PinInUse, today: date) -> str:
    """`shuts down on 2027-01-14, in 53 days; deprecated since 2026-10-14`."""
    life = found.life
    if found.pin.provider == "local":
        return "runs on this machine: nobody shuts it down"
    words = []
    if life.shutdown is not None:
        left = (life.shutdown - today).days
        when = f"{life.shutdown}" + (" at the earliest" if life.earliest else "")
        words.append(f"was shut down on {when}" if left <= 0 else f"shuts down on {when}, in {left} days")
    if life.served is False:
        words.append("the endpoint does not list it")
    if life.deprecated is not None:
        words.append(f"deprecated since {life.deprecated}")
    elif found.advised_against:
        words.append("listed as deprecated")
    if not words:
        return "no shutdown is announced" if life.source else "nothing is known of its end"
    return "; ".join(words)


def price_words(found: PinInUse) -> str:
    """What a million tokens cost, or that it is not known."""
    if found.pin.provider == "local":
        return "free"
    if found.price is None:
        return "price unknown"
    return f"{_rates(found.price)} per million tokens{_batch(found)} ({found.price_source})"


def _rates(price: Price) -> str:
    parts = [f"${price.input:g} in", f"${price.output:g} out"]
    parts += [f"${value:g} {name}" for name, value in (("cached", price.cached),) if value is not None]
    return ", ".join(parts)


def _batch(found: PinInUse) -> str:
    return f"; in a batch ${found.batch[0]:g} in, ${found.batch[1]:g} out" if found.batch else ""


def user_words(user: User) -> str:
    """`booking@v2 (production, staging)`."""
    if user.fallback_of:
        return f"a fallback of {user.fallback_of}"
    roles = [*user.environments, *(["newest"] if user.newest else [])]
    return f"{user.prompt}@{user.version} ({', '.join(roles)})"


def pin_json(found: PinInUse, today: date, within: timedelta) -> dict[str, Any]:
    """Everything that is known of one pin, as plain data."""
    life = found.life
    price = None if found.price is None else found.price.model_dump(exclude={"batch"}, exclude_none=True)
    return {
        "pin": str(found.pin),
        "status": life.status(today),
        "due": found.due(today, within),
        "deprecated": str(life.deprecated) if life.deprecated else None,
        "deprecated_by_price_list": found.advised_against,
        "shutdown": str(life.shutdown) if life.shutdown else None,
        "shutdown_is_earliest": life.earliest,
        "days_left": (life.shutdown - today).days if life.shutdown else None,
        "successor": life.replacement or None,
        "source": life.source or None,
        "read": life.read or None,
        "listed_by_endpoint": life.served,
        "context_window": found.context_window,
        "price": {"input": 0.0, "output": 0.0} if found.pin.provider == "local" else price,
        "batch_price": {"input": found.batch[0], "output": found.batch[1]} if found.batch else None,
        "price_source": found.price_source or None,
        "used_by": [
            {
                "prompt": user.prompt or None,
                "version": user.version or None,
                "environments": list(user.environments),
                "newest": user.newest,
                "fallback_of": user.fallback_of or None,
            }
            for user in found.users
        ],
    }
