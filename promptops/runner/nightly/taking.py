"""One reading of one endpoint on its way: its blocks as they come in, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.nightly.events import Missed, ReadingTaken, Served, Tokens
from promptops.core.nightly.profiles import Profile, calls_of, mean_profile, most_likely, profile_of, shares_of
from promptops.core.nightly.served import served_notices
from promptops.core.nightly.surprise import SURPRISE, Drawn, drawn, surprise
from promptops.core.nightly.watch import Watch
from promptops.models import Json, Reply, Sample
from promptops.runner.nightly.asking import Probe
from promptops.runner.nightly.endpoints import Endpoint

COMPLETE = 0.9
"""The share of a text's calls that a block needs: what could not be asked is an outage, not a change."""
ENDING = 0.5
"""The share that needs a token, where it is drawn: now and then an answer ends before its first one."""
_PLACES = 10_000  # sample indices that a reading may use


@dataclass
class Taking:
    """What was asked and answered so far. `why`: there is no reading, and why (`kind`: of which kind the failure is).

    `confirmed`: it was far off thrice.

    `draws` has the tokens that came in each of `blocks`, where they are drawn.
    """

    endpoint: Endpoint
    watch: Watch
    params: Mapping[str, Json]
    blocks: list[dict[str, Profile]] = field(default_factory=list)
    draws: list[list[Drawn]] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    requests: int = 0
    cost: float | None = 0.0
    why: str = ""
    kind: str = ""
    confirmed: bool = False

    @property
    def wanted(self) -> int:
        """Blocks of a whole reading."""
        assert self.watch.chosen is not None
        return self.watch.size.blocks_of(self.watch.chosen.tier)

    def next_block(self) -> list[Probe]:
        """What the next block asks."""
        watch = self.watch
        assert watch.chosen is not None
        first = (watch.readings + 1) * _PLACES + len(self.blocks) * 1_000
        params = tuple(sorted(self.params.items(), key=lambda item: item[0]))
        return [
            Probe(self.endpoint.pin, text, first + call, params)
            for call in range(watch.calls)
            for text in watch.chosen.texts
        ]

    def add(self, samples: Sequence[Sample]) -> None:
        """Take the samples of one block; an incomplete one ends the reading."""
        assert self.watch.chosen is not None
        self.requests += sum(len(sample.attempts) or 1 for sample in samples)
        self.cost = total_cost(self.cost, samples)
        answers: dict[str, list[Reply]] = {text: [] for text in self.watch.chosen.texts}
        for sample in samples:
            if sample.reply is not None:
                answers[sample.key.case].append(sample.reply)
                self.replies.append((sample.key.case, sample.reply))
        failures = [sample.failure for sample in samples if sample.failure is not None]
        profiles = {text: self._profile(found, self.watch.calls) for text, found in answers.items()}
        whole = {text: profile for text, profile in profiles.items() if profile is not None}
        if len(whole) < len(profiles):
            said = failures[0].message if failures else "replies without log probabilities"
            self.kind = failures[0].kind if failures else "request"
            self.why = self.why or f"{len(profiles) - len(whole)} of {len(profiles)} probes could not be asked: {said}"
        else:
            self.blocks.append(whole)
            if self.watch.chosen.drawn:
                self.draws.append([drawn(*call) for replies in answers.values() for call in self._calls(replies)])

    def _profile(self, replies: Sequence[Reply], calls: int) -> Profile | None:
        assert self.watch.chosen is not None
        if self.watch.chosen.tier == "1b":
            return (
                shares_of([first_word(reply.text) for reply in replies]) if len(replies) >= COMPLETE * calls else None
            )
        usable = [top for top, _ in self._calls(replies)]
        needed = ENDING if self.watch.chosen.drawn else COMPLETE
        enough = len(replies) >= COMPLETE * calls and len(usable) >= needed * calls
        return profile_of(usable) if enough else None

    def _calls(self, replies: Sequence[Reply]) -> list[tuple[dict[str, float], str]]:
        """The likeliest tokens and the one that came, of each reply that has them.

        Some endpoints list the token that came beside the likeliest ones: it is taken off again, so that what is
        listed does not depend on what was drawn.
        """
        chosen = self.watch.chosen
        assert chosen is not None
        if not chosen.drawn:
            return [(top, "") for reply in replies if (top := likeliest(reply))]
        found = [(most_likely(likeliest(reply), chosen.top), came(reply)) for reply in replies]
        return [(top, token) for top, token in found if top and token is not None]

    def surprise(self) -> dict[str, float]:
        """The surprise of the whole reading; nothing where no token is drawn."""
        calls = [call for block in self.draws[: self.wanted] for call in block]
        return {SURPRISE: surprise(calls)} if calls else {}

    def gross(self) -> set[str]:
        """The probes that are grossly off in every block so far."""
        found = [set(self.watch.gross(self.watch.distances(block))) for block in self.blocks]
        return set.intersection(*found) if found else set()

    def profiles(self) -> dict[str, Profile]:
        """The whole reading, its blocks taken together; further looks of the fast lane are not part of it."""
        blocks = self.blocks[: self.wanted]
        return {text: mean_profile([block[text] for block in blocks]) for text in blocks[0]}

    def served(self) -> Served:
        """Who answered."""
        tokens: dict[str, set[int]] = {}
        for text, reply in self.replies:
            if reply.usage.input_tokens is not None:
                tokens.setdefault(text, set()).add(reply.usage.input_tokens)
        return Served(
            models=_names(reply.served_model for _, reply in self.replies),
            fingerprints=_names(reply.fingerprint for _, reply in self.replies),
            hosts=_names(reply.host or reply.endpoint for _, reply in self.replies),
            route=self.endpoint.route,
            prompt_tokens={text: sorted(found) for text, found in tokens.items()},
        )

    def event(self, at: str) -> ReadingTaken | Missed:
        """The reading, or that it was missed."""
        epoch = self.watch.epoch
        assert epoch is not None
        if self.why or not self.blocks:
            return Missed(
                endpoint=self.endpoint.name,
                epoch=epoch.epoch,
                at=at,
                reason=(self.why or "nothing was asked")[:2_000],
                failure=self.kind,
                requests=self.requests,
                cost=self.cost,
            )
        profiles, role = self.profiles(), self.watch.role
        reading = ReadingTaken(
            endpoint=self.endpoint.name,
            epoch=epoch.epoch,
            number=self.watch.readings + 1,
            at=at,
            role=role,
            served=self.served(),
            notices=[notice[:1_000] for notice in served_notices(self.watch.served, self.served())],
            requests=self.requests,
            cost=self.cost,
        )
        if role == "reference":
            kept = {
                text: Tokens(tokens=dict(found.tokens), floor=found.floor, calls=found.calls)
                for text, found in profiles.items()
            }
            return reading.model_copy(update={"profiles": kept})
        distances = [self.watch.distances(block) for block in self.blocks]
        blocks = {probe: [block[probe] for block in distances] for probe in distances[0]}
        return reading.model_copy(
            update={"values": {**self.watch.distances(profiles), **self.surprise()}, "blocks": blocks}
        )


def total_cost(before: float | None, samples: Sequence[Sample]) -> float | None:
    """What was spent so far in US dollars; None from the first reply on whose price nobody knows."""
    costs = [sample.cost for sample in samples if sample.reply is not None]
    return None if before is None or None in costs else before + sum(cost for cost in costs if cost is not None)


def likeliest(reply: Reply) -> dict[str, float]:
    """The likeliest first tokens with their log probabilities; empty where the reply has none."""
    top = reply.logprobs[0].get("top") if reply.logprobs else None
    return calls_of([entry for entry in top if isinstance(entry, Mapping)]) if isinstance(top, list | tuple) else {}


def came(reply: Reply) -> str | None:
    """The first token as the log probabilities name it; None where they do not."""
    token = reply.logprobs[0].get("token") if reply.logprobs else None
    return token if isinstance(token, str) else None


def first_word(text: str) -> str:
    """The first word of an answer: its first token, without the white space around it."""
    return next(iter(text.split(maxsplit=1)), "")


def _names(names: Iterator[str | None] | Sequence[str | None]) -> list[str]:
    return sorted({name[:200] for name in names if name})
