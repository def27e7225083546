"""What a block of probes looks like, and how far it is from the reference: one number, whatever the model says.

Tier 1a: the mean log probabilities of the likeliest first tokens. Tier 1b: the share of each first token. Both are a
`Profile`, and the distance of two profiles is a fixed function of them: with a reference that is made of earlier
readings and of nothing else, the distances of later ones are exchangeable as long as nothing changes.
Source of the tier 1a statistic: "Log Probability Tracking of LLM APIs", arXiv 2512.03816, §3; of border inputs: "B3IT",
arXiv 2602.11083.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_TOKEN = 60  # characters of a token that are kept


@dataclass(frozen=True, slots=True)
class Profile:
    """The mean of each token over calls; a token that is not among them counts as `floor`.

    Tier 1a: natural log probabilities, `floor` the mean of the lowest that was reported. Tier 1b: shares, `floor` 0.
    """

    tokens: Mapping[str, float]
    floor: float = 0.0

    def of(self, token: str) -> float:
        """The mean of one token."""
        return self.tokens.get(token, self.floor)


def profile_of(calls: Sequence[Mapping[str, float]]) -> Profile:
    """Return the mean over calls, each the log probabilities of its likeliest tokens (at least one).

    A token that a call does not list counts there as the lowest that it lists: it is at most that likely.
    """
    names = {token[:MOST_TOKEN] for call in calls for token in call}
    lowest = [min(call.values()) for call in calls]
    cut = [{token[:MOST_TOKEN]: value for token, value in call.items()} for call in calls]
    means = {
        name: math.fsum(call.get(name, low) for call, low in zip(cut, lowest, strict=True)) / len(cut)
        for name in sorted(names)
    }
    return Profile(means, math.fsum(lowest) / len(lowest))


def shares_of(answers: Sequence[str]) -> Profile:
    """Return the share of each first token among the answers to one input (at least one)."""
    counts = Counter(answer[:MOST_TOKEN] for answer in answers)
    return Profile({token: count / len(answers) for token, count in sorted(counts.items())})


def mean_profile(profiles: Sequence[Profile]) -> Profile:
    """Return the mean of profiles of one probe, each with its own floor for what it does not list."""
    names = sorted({token for profile in profiles for token in profile.tokens})
    means = {name: math.fsum(profile.of(name) for profile in profiles) / len(profiles) for name in names}
    return Profile(means, math.fsum(profile.floor for profile in profiles) / len(profiles))


def distance(reference: Profile, profile: Profile) -> float:
    """Return the mean absolute difference over the tokens of both, in nats: tier 1a."""
    names = sorted({*reference.tokens, *profile.tokens})
    return math.fsum(abs(reference.of(name) - profile.of(name)) for name in names) / len(names)


def share_distance(reference: Mapping[str, Profile], profiles: Mapping[str, Profile]) -> float:
    """Return the mean absolute difference of the share of the reference's top token, over inputs, in [0, 1]: tier 1b.

    One number for all inputs: what is a coin flip for each of them is not for all together.
    """
    inputs = [name for name in sorted(reference) if name in profiles]
    moved = (
        abs(reference[name].of(_top(reference[name])) - profiles[name].of(_top(reference[name]))) for name in inputs
    )
    return math.fsum(moved) / len(inputs)


def _top(profile: Profile) -> str:
    return max(sorted(profile.tokens), key=lambda token: profile.tokens[token])


def border_inputs(answers: Mapping[str, Sequence[str]], *, most: int) -> list[str]:
    """Return up to `most` inputs to watch: those whose answers vary at temperature 0 first, the most even ones first.

    Where too few vary the rest is filled up with inputs that do not: a model that answers the same every time has no
    tie to show, and any other answer then is one of another model. Inputs without any answer are left out.
    """

    def evenness(text: str) -> float:
        counts = Counter(answers[text])
        return max(counts.values()) / len(answers[text])

    usable = [text for text, said in answers.items() if any(part.strip() for part in said)]
    return sorted(usable, key=lambda text: (evenness(text), list(answers).index(text)))[:most]


def most_likely(call: Mapping[str, float], count: int) -> dict[str, float]:
    """Return the `count` likeliest tokens of a call; of equally likely ones those that come first."""
    return dict(sorted(call.items(), key=lambda item: -item[1])[:count])


def calls_of(tops: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """Return token → log probability of one position's likeliest tokens, as a reply has them; what is no number is out.

    An infinite log probability is out as well: nobody can take the mean of it.
    """
    found: dict[str, float] = {}
    for entry in tops:
        token, value = entry.get("token"), entry.get("logprob")
        if isinstance(token, str) and isinstance(value, int | float) and math.isfinite(value):
            found[token] = max(float(value), -100.0)
    return found
