"""Tier 0: who answered, as replies say it, and what is new in that. Costs nothing, and proves nothing by itself."""

from __future__ import annotations

from typing import Final

from promptops.core.nightly.events import Served

MOST_NAMES: Final = 200
OTHER_ADDRESS: Final = "another address is asked"


def together(known: Served | None, more: Served) -> Served:
    """Everybody who answered so far; the route is the newest, the tokens of a probe are all that were counted."""
    if known is None:
        return more
    probes = {*known.prompt_tokens, *more.prompt_tokens}
    return Served(
        models=sorted({*known.models, *more.models}),
        fingerprints=sorted({*known.fingerprints, *more.fingerprints})[-MOST_NAMES:],
        hosts=sorted({*known.hosts, *more.hosts})[-MOST_NAMES:],
        route=more.route or known.route,
        prompt_tokens={
            probe: sorted({*known.prompt_tokens.get(probe, ()), *more.prompt_tokens.get(probe, ())})
            for probe in sorted(probes)
        },
    )


def served_notices(known: Served | None, now: Served) -> list[str]:
    """What replies say of who served that no earlier reply of the epoch said, in words."""
    if known is None:
        return []
    found = [
        f"{what} {', '.join(sorted(set(new) - set(old)))} (so far {', '.join(old)})"
        for what, old, new in (
            ("replies name another model:", known.models, now.models),
            ("another fingerprint:", known.fingerprints, now.fingerprints),
            ("another host answers:", known.hosts, now.hosts),
        )
        if old and set(new) - set(old)
    ]
    if known.route and now.route and now.route != known.route:
        found.append(f"{OTHER_ADDRESS}: {now.route} (so far {known.route})")
    counted = [probe for probe in now.prompt_tokens if known.prompt_tokens.get(probe)]
    other = [probe for probe in counted if set(now.prompt_tokens[probe]) - set(known.prompt_tokens[probe])]
    if other:
        found.append(f"other prompt tokens are counted for {len(other)} of {len(counted)} probes")
    return found
