"""What a run is about to ask, in the words that the command line and pytest share."""

from __future__ import annotations

from promptops.core.shown import several
from promptops.models import Caps
from promptops.runner.counting import Prompts
from promptops.runner.estimates import Estimate

RETRY_MARGIN = 0.3
"""What retries are taken to add to a run's cost at worst."""


def asking_words(estimate: Estimate, caps: Caps) -> str:
    """`asking 60 requests, 6 are recorded, at most 41,200 tokens in and 30,000 out, at no cost, capped at $5`."""
    about = "" if estimate.exact or not estimate.recorded else "about "
    if not estimate.requests:
        nothing = "hardly anything" if about else "nothing"
        return f"{nothing} to ask: {about}{estimate.recorded:,} samples are recorded"
    parts = [f"asking {about}{estimate.requests:,} request{'s' * (estimate.requests != 1)}"]
    if estimate.again:
        parts.append(f"up to {about}{estimate.again:,} more where an output is invalid")
    if estimate.repeats:
        parts.append(f"up to {about}{estimate.repeats:,} more where must-pass cases fail")
    if estimate.recorded:
        parts.append(f"{about}{estimate.recorded:,} are recorded")
    return ", ".join([*parts, tokens_words(estimate), money_words(estimate), *caps_words(caps)])


def prompts_words(prompts: Prompts) -> str:
    """`prompts: 250 to 900 tokens each, 12,300 in 20 (counted by o200k_base); the model takes 128,000`."""
    window = f"; the model takes {prompts.window:,}" if prompts.window else ""
    long = f"; {prompts.too_long} longer than that are not sent" if prompts.too_long else ""
    if not prompts.requests:
        return f"prompts: none that can be sent{window}{long}"
    about, how = ("", f"counted by {prompts.by}") if prompts.exact else ("about ", f"an {prompts.by}")
    how = how if prompts.exact or prompts.by == "estimate" else f"by {prompts.by}, with tools or files beside it"
    size = f"{prompts.least:,} to {prompts.most:,}" if prompts.least != prompts.most else f"{prompts.most:,}"
    return f"prompts: {about}{size} tokens each, {prompts.tokens:,} in {prompts.requests:,} ({how}){window}{long}"


def tokens_words(estimate: Estimate) -> str:
    """`at most 41,200 tokens in and 30,000 out`: every byte taken for a token, every answer as long as it may be."""
    most = "at most" if estimate.exact else "at most about"
    return f"{most} {estimate.input_tokens:,} tokens in and {estimate.output_tokens:,} out"


def money_words(estimate: Estimate) -> str:
    """`at most $0.42, $0.55 with 30% retries (about $0.03)`, or which price is not known."""
    if estimate.worst_case is None:
        return f"cost unknown (no price for {several(estimate.unpriced)})"
    if not estimate.worst_case:
        return "at no cost"
    most = "at most" if estimate.exact else "at most about"
    retried = f", ${estimate.worst_case * (1 + RETRY_MARGIN):.4f} with {RETRY_MARGIN:.0%} retries"
    about = f" (about ${estimate.expected:.4f})" if estimate.expected else ""
    if estimate.batch:  # nothing of a batch is asked twice by itself
        return f"{most} ${estimate.worst_case:.4f} in batches{about}, within 24 hours"
    return f"{most} ${estimate.worst_case:.4f}{retried}{about}"


def caps_words(caps: Caps) -> list[str]:
    """What the run stops at, as one part of the sentence; none where it stops at nothing."""
    words = []
    if caps.dollars is not None:
        words.append(f"${caps.dollars:g}")
    if caps.tokens is not None:
        words.append(f"{caps.tokens:,} tokens")
    if caps.requests is not None:
        words.append(f"{caps.requests:,} requests")
    return [f"capped at {' and '.join(words)}"] if words else []
