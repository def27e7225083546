from __future__ import annotations

import pytest

from promptops.errors import ProviderError
from promptops.models import Pin
from promptops.providers.identity import check_identity, same_model


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14", True),
        ("gpt-4.1-mini-2025-04-14", "openai/gpt-4.1-mini-2025-04-14", True),
        ("openai/gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14", True),
        ("openai/gpt-x", "azure/gpt-x", False),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", True),
        ("claude-sonnet-4", "claude-sonnet-4-20250514", True),
        ("gemini-2.0-flash", "gemini-2.0-flash-001", True),
        ("gpt-4", "gpt-4-0613", True),
        ("gpt-4", "gpt-4o", False),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-2025-04-14", False),
        ("smollm2-135m-instruct@b179c9523d0e", "smollm2-135m-instruct@b179c9523d0e", True),
        ("smollm2-135m-instruct@b179c9523d0e", "smollm2-135m-instruct@000000000000", False),
        ("m", "M", False),
    ],
)
def test_a_model_is_the_same_only_by_name_prefix_or_the_date_of_an_alias(asked: str, served: str, same: bool) -> None:
    assert same_model(asked, served) is same


@pytest.mark.parametrize(
    "headers",
    [
        {"x-portkey-cache-status": "HIT"},
        {"x-portkey-cache-status": "SEMANTIC HIT"},
        {"helicone-cache": "HIT"},
        {"cf-aig-cache-status": "HIT"},
        {"x-cache": "Hit from cloudfront"},
        {"x-litellm-cache-key": "abc"},
        {"x-litellm-attempted-fallbacks": "1"},
        {"cf-aig-step": "2"},
        {"x-portkey-last-used-option-index": "config.targets[1]"},
        {"x-portkey-last-used-option-index": "config.targets[0].targets[2]"},
    ],
)
def test_a_gateways_cache_or_fallback_is_no_sample_of_the_pin(headers: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match=r"not a sample of acme/m: a gateway") as caught:
        check_identity(Pin("acme", "m"), "m", headers)
    assert caught.value.kind == "identity"
    assert next(iter(headers)) in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-portkey-cache-status": "MISS"},
        {"x-portkey-cache-status": "SEMANTIC MISS"},
        {"x-portkey-cache-status": "DISABLED"},
        {"x-portkey-cache-status": "REFRESH"},
        {"helicone-cache": "MISS"},
        {"x-cache": "Miss from cloudfront"},
        {"x-litellm-attempted-fallbacks": "0"},
        {"x-litellm-attempted-fallbacks": "None"},
        {"x-litellm-attempted-retries": "1"},
        {"cf-aig-step": "0"},
        {"x-portkey-last-used-option-index": "config.targets[0]"},
        {"x-portkey-last-used-option-index": "config"},
    ],
)
def test_a_gateway_that_asked_the_model_itself_is_fine(headers: dict[str, str]) -> None:
    check_identity(Pin("acme", "m"), "m", headers)


@pytest.mark.parametrize("served", [None, "", "other"])
def test_a_reply_of_somebody_else_or_nobody_is_refused(served: str | None) -> None:
    with pytest.raises(ProviderError, match="not a sample of acme/m"):
        check_identity(Pin("acme", "m"), served, {})
