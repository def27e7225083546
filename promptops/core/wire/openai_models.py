"""What single models of OpenAI do not take, by chat completions and responses alike."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.spec import EffortRule, ModelRule

REASONING: Final = "https://developers.openai.com/api/docs/guides/reasoning"
COMPATIBILITY: Final = "https://developers.openai.com/api/docs/guides/latest-model#gpt-54-parameter-compatibility"
CREATE: Final = "https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create"

OPENAI_EFFORTS: Final = {word: word for word in ("none", "minimal", "low", "medium", "high", "xhigh", "max")}

_SAMPLING: Final = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})
_PENALTIES: Final = frozenset({"frequency_penalty", "presence_penalty"})

_REASONS_ON_DEMAND: Final = r"gpt-5\.[1-4](-mini|-nano)?(-\d{4}-\d\d-\d\d)?"
_LATER: Final = r"gpt-(5\.\d+|[6-9])(?!-chat)(-.*)?"

MODELS: Final = (
    # Reasoning models sample as they like. From gpt-5.1 on reasoning can be off; up to gpt-5.4 it is, unless asked for.
    ModelRule(r"(o1|o3|o4|codex|gpt-5(?!\.|-chat))(-.*)?", REASONING, refuses=_SAMPLING | _PENALTIES),
    ModelRule(_REASONS_ON_DEMAND, COMPATIBILITY, refuses=_SAMPLING, unless={"reasoning_effort": ("none", None)}),
    ModelRule(
        rf"(?!{_REASONS_ON_DEMAND}$){_LATER}",
        COMPATIBILITY,
        refuses=_SAMPLING,
        unless={"reasoning_effort": ("none",)},
    ),
    ModelRule(_LATER, COMPATIBILITY, refuses=_PENALTIES),
    # The chat variants after gpt-5 reason, always alike.
    ModelRule(r"gpt-5\.\d+-chat(-.*)?", REASONING, refuses=_SAMPLING | _PENALTIES),
    EffortRule(r"gpt-5\.\d+-chat(-.*)?", REASONING, "medium"),
    EffortRule(r"(o1|o3|o4|codex|gpt-5-codex)(-.*)?", REASONING, "low medium high"),
    EffortRule(r"gpt-5(?!\.|-chat|-codex|-pro)(-.*)?", REASONING, "minimal low medium high"),
    EffortRule(r"gpt-5-pro(-.*)?", REASONING, "high"),
    EffortRule(r"gpt-5\.1(-mini|-nano)?(-\d.*)?", REASONING, "none low medium high"),
    EffortRule(r"gpt-5\.1-codex(?!-max)(-.*)?", REASONING, "low medium high"),
    EffortRule(r"gpt-5\.1-codex-max(-.*)?", REASONING, "low medium high xhigh"),
    EffortRule(r"gpt-5\.\d+-pro(-.*)?", REASONING, "low medium high xhigh max"),
    ModelRule(r"(o3|o4-mini)(-.*)?", CREATE, refuses=frozenset({"stop"})),
    ModelRule(r"(gpt-3\.5|gpt-4|chatgpt-4o|gpt-5-chat)([-.o].*)?", REASONING, refuses=frozenset({"reasoning_effort"})),
)
