"""How places are divided between those who want them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

TURN = 1.0  # seconds for which an odd place stays with whoever has it while others want it


class Claim(Struct, frozen=True):
    """What one participant would like. `odd`: it has one of the places that are left over, since `since`.

    One that has no odd place waits for it since `since` (seconds of a clock).
    """

    wanted: int
    odd: bool = False
    since: float = 0.0


class Shares(Struct, frozen=True):
    """`each` is what everybody may have who wants that much; `of` says how many each participant may have."""

    each: int
    of: Mapping[bytes, int]


def shares(places: int, claims: Mapping[bytes, Claim], *, now: float) -> Shares:
    """Divide `places` so that nobody has more than wanted, and nobody could have more but from one who has less.

    What is left over then, fewer places than there are participants, goes round: who has one keeps it for a `TURN`,
    after which who waits longest comes first.
    """
    left, each = places, places
    for index, wanted in enumerate(sorted(claim.wanted for claim in claims.values())):
        each = left // (len(claims) - index)
        if wanted > each:
            left -= each * (len(claims) - index)
            break
        left -= wanted
    else:
        return Shares(places, {name: claim.wanted for name, claim in claims.items()})
    turns = sorted((name for name in claims if claims[name].wanted > each), key=lambda n: (*_turn(claims[n], now), n))
    odd = set(turns[:left])
    return Shares(each, {name: min(claim.wanted, each) + (name in odd) for name, claim in claims.items()})


def _turn(claim: Claim, now: float) -> tuple[int, float]:
    """Who has an odd place and keeps it, who waits, who has had it long enough."""
    return (1 if not claim.odd else 0 if now - claim.since < TURN else 2), claim.since
