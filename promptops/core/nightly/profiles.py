"""What a block of probes looks like, and how far it is from the reference: one number, whatever the model says.

Tier 1a: the mean log probabilities of the likeliest first tokens. Tier 1b: the share of each first token. Both are a
`Profile`, and the number of a reading is a fixed function of its profile and of the reference: with a reference that is
made of earlier readings and of nothing else, the numbers of later ones are exchangeable as long as nothing changes.
Source of the tier 1a statistic: "Log Probability Tracking of LLM APIs", arXiv 2512.03816, §3; of border inputs: "B3IT",
arXiv 2602.11083.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_TOKEN = 60  # characters of a token that are kept
UNSEEN = 0.5
"""Added to the count of every token of the reference, and of all that it never saw: what is rare is not impossible."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The mean of each token over calls; a token that is not among them counts as `floor`.

    Tier 1a: natural log probabilities, `floor` the mean of the lowest that was reported. Tier 1b: shares of so many
    `calls`, `floor` 0.
    """

    tokens: Mapping[str, float]
    floor: float = 0.0
    calls: int = 0

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
    shares = {token: count / len(answers) for token, count in sorted(counts.items())}
    return Profile(shares, calls=len(answers))


def mean_profile(profiles: Sequence[Profile]) -> Profile:
    """Return the mean of profiles of one probe, each with its own floor for what it does not list."""
    names = sorted({token for profile in profiles for token in profile.tokens})
    means = {name: math.fsum(profile.of(name) for profile in profiles) / len(profiles) for name in names}
    floor = math.fsum(profile.floor for profile in profiles) / len(profiles)
    return Profile(means, floor, sum(profile.calls for profile in profiles))


def distance(reference: Profile, profile: Profile) -> float:
    """Return the mean absolute difference over the tokens of both, in nats: tier 1a."""
    names = sorted({*reference.tokens, *profile.tokens})
    return math.fsum(abs(reference.of(name) - profile.of(name)) for name in names) / len(names)


def deviance(reference: Mapping[str, Profile], profiles: Mapping[str, Profile]) -> float:
    """Return twice the log likelihood ratio of these first tokens, the shares they have against those of the reference.

    Summed over inputs, ≥ 0: tier 1b. One number for all of them: what is a coin flip for each is not for all together.
    A token of a tie that comes a little more often weighs little, one that the reference never saw weighs much; to all
    of the latter together it gives the share that `UNSEEN` of a call has.
    Source: Wilks, "The large-sample distribution of the likelihood ratio", Ann. Math. Statist. 9 (1938), 60-62; a half
    for every cell: Krichevsky & Trofimov, "The performance of universal encoding", IEEE Trans. Inf. Theory 27 (1981).
    """
    return math.fsum(_deviance(reference[name], profiles[name]) for name in sorted(reference) if name in profiles)


def _deviance(reference: Profile, profile: Profile) -> float:
    whole = reference.calls + UNSEEN * (len(reference.tokens) + 1)
    names = sorted(reference.tokens)
    found = [(profile.of(name), (reference.of(name) * reference.calls + UNSEEN) / whole) for name in names]
    found.append((1.0 - math.fsum(share for share, _ in found), UNSEEN / whole))
    return 2 * profile.calls * math.fsum(share * math.log(share / was) for share, was in found if share > 1e-9)


def share_distance(reference: Mapping[str, Profile], profiles: Mapping[str, Profile]) -> float:
    """Return the mean absolute difference of the share of the reference's top token, over inputs, in [0, 1].

    The number of tier 1b before `deviance`: an epoch that began with it goes on with it.
    """
    inputs = [name for name in sorted(reference) if name in profiles]
    moved = (
        abs(reference[name].of(_top(reference[name])) - profiles[name].of(_top(reference[name]))) for name in inputs
    )
    return math.fsum(moved) / len(inputs)


def _top(profile: Profile) -> str:
    return max(sorted(profile.tokens), key=lambda token: profile.tokens[token])


def border_inputs(answers: Mapping[str, Sequence[str]], *, most: int) -> list[str]:
    """Return up to `most` inputs to watch: those whose answers vary at a temperature near 0 first, the most even first.

    Where too few vary the rest is filled up with inputs that do not. Inputs without any answer are left out.
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
