"""Whether a prompt and its answer fit into what a model takes: found before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from promptops.core.pricing import input_bound
from promptops.core.tokens import Count, TextCounter, count_request
from promptops.models import Failure, Request

SURE: Final = 0.8  # of an estimate: hardly any prompt has fewer tokens than that
Fits = Callable[[Request], Failure | None]
"""The failure of a request that cannot be answered, None where it can."""


def fits_into(window: int, counter: TextCounter) -> Fits:
    """Return what refuses requests whose prompt and `max_tokens` are more than `window` tokens together.

    An estimate refuses only what is beyond it by a fifth: a provider refuses the rest.
    """

    def check(request: Request) -> Failure | None:
        answer = answer_tokens(request)
        if input_bound(request) + answer <= window:
            return None  # a token has at least one byte
        count = count_request(request, counter)
        least = count.tokens if count.exact else int(count.tokens * SURE)
        return overflow(request, count, answer, window) if least + answer > window else None

    return check


def answer_tokens(request: Request) -> int:
    """The `max_tokens` of a request, 0 where it sets none."""
    limit = request.params.get("max_tokens")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else 0


def overflow(request: Request, count: Count, answer: int, window: int) -> Failure:
    """The failure of a request that is too long, in words."""
    prompt = f"{'' if count.exact else 'about '}{count.tokens:,} tokens in the prompt ({count.by})"
    both = f"{prompt} and max_tokens {answer:,} are" if answer else f"{prompt} are"
    hint = "shorten what varies: |last_turns(n), |first_tokens(n), |summarised(summary, n); or a lower max_tokens"
    return Failure("request", f"{both} more than the {window:,} that {request.pin} takes", hint)
