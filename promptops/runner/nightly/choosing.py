"""Finds out, at the first reading of an epoch, which tier an endpoint allows and which texts are asked from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from promptops.core.nightly.events import ProbesChosen
from promptops.core.nightly.profiles import border_inputs
from promptops.core.nightly.sizes import TOP, candidates
from promptops.core.nightly.surprise import SURPRISE
from promptops.models import Failure, Json, Sample
from promptops.runner.nightly.asking import Asked, Probe, probe_params
from promptops.runner.nightly.taking import came, first_word, likeliest, total_cost

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.core.nightly.watch import Watch
    from promptops.runner.nightly.endpoints import Endpoint

LOOKED_AT: Final = {"tiny": 20, "standard": 100}
"""Inputs among which the border is looked for, each asked `LOOKS` times."""
LOOKS: Final = 4
LOOK_AT: Final = 0.1
"""The temperature of these looks: an endpoint that repeats itself at 0 shows there which inputs are nearly a tie."""
FEWER: Final = 5
"""Log probabilities to ask for where `TOP` are too many."""


class NotAskedError(Exception):
    """The endpoint did not answer, so nothing can be chosen; `str()` says why, `kind` is that of the failure."""

    def __init__(self, failure: Failure | None, otherwise: str) -> None:
        super().__init__(failure.message if failure is not None else otherwise)
        self.kind: str = failure.kind if failure is not None else ""


def params_for(watch: Watch, endpoint: Endpoint, config: Config) -> Mapping[str, Json]:
    """The params of a reading of the tier that was chosen."""
    assert watch.chosen is not None
    warm = 1.0 if watch.chosen.drawn else 0.0
    asked = probe_params(endpoint.pin, config, temperature=warm, logprobs=watch.chosen.tier == "1a")
    params = dict(asked or probe_params(endpoint.pin, config) or {})
    if watch.chosen.tier == "1a":
        params["top_logprobs"] = watch.chosen.top
    return params


def choose(watch: Watch, endpoint: Endpoint, config: Config, ask: Asked, at: str) -> ProbesChosen:
    """Ask for log probabilities, and look for border inputs where there are none; raises `NotAskedError`."""
    epoch = watch.epoch
    assert epoch is not None
    samples: list[Sample] = []
    texts, varying, repeats = epoch.prompts[: watch.size.prompts], 0, 0
    way = _numbers(endpoint, config, ask, texts, samples)
    if way is None:
        texts, varying = _border(watch, endpoint, config, ask, samples)
        repeats = watch.size.repeats
    top, drawn = way or (0, False)
    return ProbesChosen(
        endpoint=endpoint.name,
        epoch=epoch.epoch,
        at=at,
        tier="1b" if way is None else "1a",
        texts=texts,
        top=top,
        varying=varying,
        drawn=drawn,
        repeats=repeats,
        cost=total_cost(0.0, samples),
    )


def _numbers(
    endpoint: Endpoint, config: Config, ask: Asked, texts: Sequence[str], samples: list[Sample]
) -> tuple[int, bool] | None:
    """How many log probabilities the endpoint gives, and whether of drawn tokens; None where it gives none.

    What was asked is added to `samples`.
    """
    for number, (params, drawn) in enumerate(_ways(endpoint, config, texts)):
        looks = range(LOOKS * number, LOOKS * number + (LOOKS if drawn else 1))
        tried = ask([Probe(endpoint.pin, texts[0], look, _pairs(params)) for look in looks])
        samples += tried
        replies = [sample.reply for sample in tried if sample.reply is not None]
        if any(likeliest(reply) and (came(reply) is not None or not drawn) for reply in replies):
            return int(str(params["top_logprobs"])), drawn
        failure = next((sample.failure for sample in tried if sample.failure is not None), None)
        if not replies and (failure is None or failure.kind != "request"):
            raise NotAskedError(failure, "nothing came back")
        if replies and not drawn:
            break
    return None


def _border(
    watch: Watch, endpoint: Endpoint, config: Config, ask: Asked, samples: list[Sample]
) -> tuple[list[str], int]:
    """The border inputs, and of how many the first word varied; what was asked is added to `samples`."""
    found = _look(watch, endpoint, config, ask, LOOK_AT)
    samples += found
    if all(sample.failure is not None and sample.failure.kind == "request" for sample in found):
        found = _look(watch, endpoint, config, ask, 0.0)
        samples += found
    answers: dict[str, list[str]] = {}
    for sample in found:
        if sample.reply is not None:
            answers.setdefault(sample.key.case, []).append(first_word(sample.reply.text))
    if len(answers) < watch.size.inputs:
        failure = next((sample.failure for sample in found if sample.failure), None)
        raise NotAskedError(failure, "too few inputs were answered")
    inputs = border_inputs(answers, most=watch.size.inputs)
    if len(inputs) < watch.size.inputs:
        raise NotAskedError(
            None, "its answers of one token are empty (a model that thinks first?): there is nothing to compare"
        )
    return inputs, sum(len(set(answers[text])) > 1 for text in inputs)


def _ways(endpoint: Endpoint, config: Config, texts: Sequence[str]) -> Iterator[tuple[Mapping[str, Json], bool]]:
    """How tier 1a may be asked, the best first: drawn at temperature 1, then at 0; 20 log probabilities, then 5.

    An endpoint that lets nobody set the temperature is asked as at 0: what it draws at is not known. At 1 it is asked
    several times, since an answer that ends at once may have no token to report.
    """
    for warm in (True, False):
        params = probe_params(endpoint.pin, config, temperature=1.0 if warm else 0.0, logprobs=True)
        if params is None or (warm and (params.get("temperature") != 1.0 or SURPRISE in texts)):
            continue
        for top in (TOP, FEWER):
            yield {**params, "top_logprobs": top}, warm


def _look(watch: Watch, endpoint: Endpoint, config: Config, ask: Asked, temperature: float) -> list[Sample]:
    assert watch.epoch is not None
    params = _pairs(dict(probe_params(endpoint.pin, config, temperature=temperature) or {}))
    inputs = candidates(LOOKED_AT[watch.epoch.size])
    return ask([Probe(endpoint.pin, text, look, params) for look in range(LOOKS) for text in inputs])


def _pairs(params: Mapping[str, Json]) -> tuple[tuple[str, Json], ...]:
    return tuple(sorted(params.items(), key=lambda item: item[0]))
