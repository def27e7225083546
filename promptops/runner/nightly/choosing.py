"""Finds out, at the first reading of an epoch, which tier an endpoint allows and which texts are asked from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from promptops.core.nightly.events import ProbesChosen
from promptops.core.nightly.profiles import border_inputs
from promptops.core.nightly.sizes import TOP, Tier, candidates
from promptops.models import Json, Sample
from promptops.runner.nightly.asking import Asked, Probe, probe_params
from promptops.runner.nightly.taking import first_word, likeliest, total_cost

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.core.nightly.watch import Watch
    from promptops.runner.nightly.endpoints import Endpoint

LOOKED_AT: Final = {"tiny": 20, "standard": 100}
"""Inputs among which the border is looked for, each asked `LOOKS` times."""
LOOKS: Final = 4


class NotAskedError(Exception):
    """The endpoint did not answer, so nothing can be chosen; `str()` says why."""


def params_for(watch: Watch, endpoint: Endpoint, config: Config) -> Mapping[str, Json]:
    """The params of a reading of the tier that was chosen."""
    assert watch.chosen is not None
    asked = probe_params(endpoint.pin, config, logprobs=watch.chosen.tier == "1a")
    params = dict(asked or probe_params(endpoint.pin, config) or {})
    if watch.chosen.tier == "1a":
        params["top_logprobs"] = watch.chosen.top
    return params


def choose(watch: Watch, endpoint: Endpoint, config: Config, ask: Asked, at: str) -> ProbesChosen:
    """Ask for log probabilities, and look for border inputs where there are none; raises `NotAskedError`."""
    epoch = watch.epoch
    assert epoch is not None
    samples: list[Sample] = []

    def chosen(tier: Tier, texts: list[str], *, top: int = 0, varying: int = 0) -> ProbesChosen:
        cost = total_cost(0.0, samples)
        return ProbesChosen(
            endpoint=endpoint.name,
            epoch=epoch.epoch,
            at=at,
            tier=tier,
            texts=texts,
            top=top,
            varying=varying,
            cost=cost,
        )

    params = probe_params(endpoint.pin, config, logprobs=True)
    texts = epoch.prompts[: watch.size.prompts]
    for top in (TOP, 5) if params is not None else ():
        (sample,) = ask([Probe(endpoint.pin, texts[0], top, _pairs({**(params or {}), "top_logprobs": top}))])
        samples.append(sample)
        if sample.reply is not None and likeliest(sample.reply):
            return chosen("1a", texts, top=top)
        if sample.reply is not None:
            break
        if sample.failure is None or sample.failure.kind != "request":
            raise NotAskedError(sample.failure.message if sample.failure else "nothing came back")
    found = _look(watch, endpoint, config, ask)
    samples += found
    answers: dict[str, list[str]] = {}
    for sample in found:
        if sample.reply is not None:
            answers.setdefault(sample.key.case, []).append(first_word(sample.reply.text))
    if len(answers) < watch.size.inputs:
        said = next((sample.failure.message for sample in found if sample.failure), "too few inputs were answered")
        raise NotAskedError(said)
    inputs = border_inputs(answers, most=watch.size.inputs)
    if len(inputs) < watch.size.inputs:
        raise NotAskedError(
            "its answers of one token are empty (a model that thinks first?): there is nothing to compare"
        )
    return chosen("1b", inputs, varying=sum(len(set(answers[text])) > 1 for text in inputs))


def _look(watch: Watch, endpoint: Endpoint, config: Config, ask: Asked) -> list[Sample]:
    assert watch.epoch is not None
    params = _pairs(dict(probe_params(endpoint.pin, config) or {}))
    inputs = candidates(LOOKED_AT[watch.epoch.size])
    return ask([Probe(endpoint.pin, text, look, params) for look in range(LOOKS) for text in inputs])


def _pairs(params: Mapping[str, Json]) -> tuple[tuple[str, Json], ...]:
    return tuple(sorted(params.items(), key=lambda item: item[0]))
