"""Whether the tokens that come are drawn from the distribution that is reported: one number, the *surprise*.

Log probabilities are given before a token is drawn, so a changed temperature, or a sampler that keeps to another
distribution than it reports, does not show in them. It shows in which tokens come. Asked at temperature 1, a call's
log probability is its expectation under what the same reply reports, in the mean: above it where the sampler is cooler
than it was asked to be, below it where it is hotter. Nothing is assumed about how well a provider reports: the number
is ranked among its own history.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

SURPRISE: Final = "token that came"
"""The name of the number beside the probes of tier 1a."""


class Drawn(Struct, frozen=True):
    """One call: the log probability of its token less the expected one, in nats, and the variance of that."""

    excess: float
    variance: float


def drawn(likeliest: Mapping[str, float], token: str) -> Drawn:
    """Return how one token compares with the likeliest ones (at least one) and their natural log probabilities.

    All tokens that are not listed are one, with the chance that the others leave; it counts as the least that is
    listed, whichever of them came: how likely each of them is, nobody reports.
    """
    chances = {name: math.exp(value) for name, value in likeliest.items()}
    total = max(1.0, math.fsum(chances.values()))  # above 1 by rounding only
    rest, least = max(0.0, 1.0 - math.fsum(chances.values())), min(likeliest.values())
    mean = math.fsum(chances[name] / total * value for name, value in likeliest.items()) + rest * least
    spread = math.fsum(chances[name] / total * (value - mean) ** 2 for name, value in likeliest.items())
    return Drawn(likeliest.get(token, least) - mean, spread + rest * (least - mean) ** 2)


def surprise(calls: Iterable[Drawn]) -> float:
    """Return the sum of the calls over its standard deviation: mean 0 and variance 1 where tokens are as reported.

    0 where every token was certain. To sum before dividing gives a call the weight of what it can show: this is the
    score test of the temperature at 1 (Rao 1948), the most powerful one for a small change of it.
    """
    found = list(calls)
    variance = math.fsum(call.variance for call in found)
    return math.fsum(call.excess for call in found) / math.sqrt(variance) if variance > 1e-12 else 0.0
