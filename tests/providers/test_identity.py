from __future__ import annotations

import asyncio

import pytest

from promptops.config import Config
from promptops.errors import ProviderError
from promptops.models import Message, Pin, PlannedSample, Reply, Request, SampleKey, ServedRules
from promptops.providers.client import Client
from promptops.providers.identity import check_identity, check_reply, counting_as, same_model
from promptops.testing import ScriptedProvider


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
        ("anthropic/claude-sonnet-4.6", "anthropic/claude-4.6-sonnet-20260217", True),
        ("anthropic/claude-sonnet-4-20250514", "anthropic/claude-4-sonnet-20250514", True),
        ("anthropic/claude-sonnet-4-20250514", "anthropic/claude-4-sonnet-20250601", False),
        ("anthropic/claude-sonnet-4.6", "anthropic/claude-4.5-sonnet-20250929", False),
        ("anthropic/claude-sonnet-4.6", "anthropic/claude-4.6-opus-20260205", False),
        ("model-1-2", "model-2-1", False),
        ("openai/gpt-4o-2024-11-20:nitro", "openai/gpt-4o-2024-11-20", True),
        ("minimax/minimax-m2:free", "minimax/minimax-m2:free", True),
        ("google/gemini-2.0-flash-exp:free", "x-ai/grok-4", False),
        ("llama3.2:3b", "llama3.2:1b", False),
        ("llama3.2:3b", "llama3.2", False),
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
        {"x-openrouter-cache-status": "HIT"},
        {"x-cache-status": "Hit"},
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
        {"x-openrouter-cache-status": "MISS"},
        {"x-cache-status": "Bypass"},
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


HOSTS = ServedRules(hosts=("OpenAI", "Azure"))
FINGERPRINTS = ServedRules(fingerprints=("fp_1", "fp_2"))


@pytest.mark.parametrize(
    ("rules", "answer", "says"),
    [
        (None, Reply("x"), ""),
        (ServedRules(), Reply("x", fingerprint="fp_9", host="x"), ""),
        (FINGERPRINTS, Reply("x", fingerprint="fp_2"), ""),
        (FINGERPRINTS, Reply("x", fingerprint="fp_9"), "another fingerprint answered (system_fingerprint: fp_9)"),
        (FINGERPRINTS, Reply("x"), "the reply does not say its fingerprint"),
        (HOSTS, Reply("x", host="azure"), ""),
        (
            HOSTS,
            Reply("x", host="Novita"),
            "another host answered (provider: Novita), and the prompt wants OpenAI, Azure",
        ),
        (HOSTS, Reply("x"), "the reply does not say its host"),
    ],
)
def test_a_reply_of_another_fingerprint_or_host_than_named_is_refused(
    rules: ServedRules | None, answer: Reply, says: str
) -> None:
    with counting_as(rules):
        if not says:
            check_reply(Pin("acme", "m"), answer, {})
            return
        with pytest.raises(ProviderError) as caught:
            check_reply(Pin("acme", "m"), answer, {})
    assert caught.value.kind == "identity"
    assert says in str(caught.value)


def test_what_is_allowed_is_allowed_inside_only() -> None:
    headers = {"helicone-cache": "HIT"}
    with counting_as(ServedRules(frozenset({"cache", "model"}))):
        check_identity(Pin("acme", "m"), None, headers)
    with pytest.raises(ProviderError, match="helicone-cache: HIT"):
        check_identity(Pin("acme", "m"), "m", headers)


def test_a_client_counts_each_samples_reply_by_its_own_rules() -> None:
    async def run() -> list[str]:
        provider = ScriptedProvider(lambda request, seed: Reply("x", fingerprint="fp_9"))
        client = Client(Config(), environ={}, open_provider=lambda pin: provider)
        request = Request(Pin("test", "m"), (Message("user", "hi"),))
        samples = [
            PlannedSample(SampleKey("p", "v1", "test/m", f"c{number}"), request, "", served=rules)
            for number, rules in enumerate((None, FINGERPRINTS, ServedRules(fingerprints=("fp_9",))))
        ]
        found = await asyncio.gather(*map(client.sample, samples))
        await client.aclose()
        return [sample.failure.kind if sample.failure else "ok" for sample in found]

    assert asyncio.run(run()) == ["ok", "identity", "ok"]
