"""What needs no configuration: known vendors and gateways, asked on loopback as they would be asked at home."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any, get_args

import pytest

from promptops.config import Config, ModelLimits, ProviderConfig
from promptops.core.redact import secrets_of
from promptops.core.wire.dialects import SPECS, spec_for
from promptops.core.wire.endpoints import KNOWN
from promptops.core.wire.gateways import BY_HOST
from promptops.core.wire.vendors import KEY_HOSTS, VENDORS
from promptops.errors import ConfigError, ProviderError
from promptops.models import Pin, Reply
from promptops.providers.client import Client
from promptops.providers.formats import FORMATS, format_for
from promptops.providers.keys import check_key_goes_home, parse_endpoint
from promptops.providers.openai_chat import OpenAIChat
from promptops.providers.registry import check_providers, check_settings, provider_for
from promptops.providers.wire import Wire
from promptops.testing import Answer, LoopbackServer
from tests.providers.kit import PIN, Still, planned, request
from tests.providers.kit import reply as reply_to

KEY = "sk-test-0123456789abcdef"


def at(host: str, format_name: str = "openai-chat") -> Wire:
    return format_for(format_name, host)


def body(host: str, **params: Any) -> dict[str, Any]:
    return at(host).body(request("hi", pin=Pin("acme", "m-1"), params=params), 7)


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_vendor_can_be_asked_as_it_is(name: str) -> None:
    check_settings(name, KNOWN[name])
    environ = {KNOWN[name].api_key_env or "": KEY}
    provider = provider_for(Pin(name, "m-1"), Config(), environ)
    assert provider.name == name
    host = parse_endpoint(KNOWN[name].base_url).host
    assert spec_for(KNOWN[name].format, host).fields


@pytest.mark.parametrize("name", VENDORS)
def test_every_vendor_beyond_this_machine_has_a_key_that_goes_nowhere_else(name: str) -> None:
    vendor, endpoint = VENDORS[name], parse_endpoint(VENDORS[name].base_url)
    if endpoint.loopback:
        assert not vendor.hosts
        return
    assert vendor.key
    check_key_goes_home(vendor.key, endpoint)
    with pytest.raises(ValueError, match=vendor.key):
        check_key_goes_home(vendor.key, parse_endpoint("https://evil.example/v1"))


def test_every_format_has_a_spec_a_class_and_a_word_in_the_configuration() -> None:
    words = get_args(ProviderConfig.model_fields["format"].annotation)
    assert set(words) == set(FORMATS) == set(SPECS)
    for name, spec in SPECS.items():
        assert spec.format == name
        if name == "bedrock-converse" and find_spec("botocore") is None:
            continue
        assert at("api.acme.example", name).spec is spec


def test_every_field_of_every_spec_names_the_page_that_says_so() -> None:
    specs = [*SPECS.values(), *BY_HOST.values(), spec_for("openai-chat", "api.openai.com")]
    pages = [spec.page for spec in specs]
    pages += [field.page for spec in specs for field in spec.fields.values()]
    pages += [rule.page for spec in specs for rule in spec.models]
    pages += [vendor.page for vendor in VENDORS.values()]
    assert all(page.startswith("https://") for page in pages)


def test_openrouter_is_asked_for_no_other_host_and_no_dropped_params() -> None:
    routing = {"allow_fallbacks": False, "require_parameters": True}
    assert body("openrouter.ai", top_k=20)["provider"] == routing
    own = {"order": ["anthropic"], "allow_fallbacks": True}
    merged = {"require_parameters": True, **own}
    assert body("openrouter.ai", extra_body={"provider": own})["provider"] == merged
    assert "provider" not in body("gateway.example")


def test_openrouter_gets_no_seed_that_nobody_asked_for() -> None:
    assert "seed" not in body("openrouter.ai")
    assert body("openrouter.ai", seed=42)["seed"] == 42
    assert body("gateway.example")["seed"] == 7


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("api.portkey.ai", {"x-portkey-api-key": KEY}),
        ("ai-gateway.helicone.ai", {"authorization": f"Bearer {KEY}", "helicone-cache-enabled": "false"}),
        ("openrouter.ai", {"authorization": f"Bearer {KEY}"}),
        ("gateway.example", {"authorization": f"Bearer {KEY}"}),
    ],
)
def test_a_key_travels_as_the_gateway_wants_it(host: str, headers: dict[str, str]) -> None:
    assert at(host).headers(KEY) == headers
    assert KEY not in str(at(host).headers(None))


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("api.groq.com", {"logprobs": True}),
        ("api.groq.com", {"top_k": 20}),
        ("api.groq.com", {"reasoning_effort": "xhigh"}),
        ("api.together.xyz", {"logprobs": True}),
        ("api.x.ai", {"top_k": 20}),
        ("api.x.ai", {"reasoning_effort": "minimal"}),
        ("openrouter.ai", {"grammar": "root ::= x"}),
    ],
)
def test_what_a_host_refuses_is_refused_before_it_is_asked(host: str, refused: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        body(host, **refused)
    assert caught.value.kind == "request"
    assert next(iter(refused)) in str(caught.value)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.groq.com", "max_completion_tokens"),
        ("api.x.ai", "max_completion_tokens"),
        ("api.together.xyz", "max_tokens"),
        ("openrouter.ai", "max_tokens"),
    ],
)
def test_the_limit_is_called_as_the_host_calls_it(host: str, name: str) -> None:
    assert body(host, max_tokens=5)[name] == 5


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("grok-4-0709", False),
        ("grok-4.20-0309-reasoning", False),
        ("grok-4.20-0309-non-reasoning", True),
        ("grok-4-fast-non-reasoning", True),
        ("grok-code-fast-1", False),
        ("grok-3-mini", False),
        ("grok-3", True),
        ("grok-2-1212", True),
    ],
)
def test_reasoning_models_of_xai_take_no_stop(model: str, taken: bool) -> None:
    asked = request("hi", pin=Pin("xai", model), params={"stop": ["\n"]})
    if taken:
        assert at("api.x.ai").body(asked, None)["stop"] == ["\n"]
    else:
        with pytest.raises(ProviderError, match="stop is not taken"):
            at("api.x.ai").body(asked, None)


def reply_of(host: str, reason: str, usage: dict[str, Any]) -> Reply:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "hi"}}
    return at(host).reply({"model": "m-1", "choices": [choice], "usage": usage})


def test_xai_counts_the_reasoning_beside_the_answer() -> None:
    """Sources: https://docs.x.ai/docs/guides/reasoning: 32 + 9 + 94 = 135."""
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    counted = reply_of("api.x.ai", "stop", usage).usage
    assert (counted.input_tokens, counted.output_tokens, counted.reasoning_tokens) == (32, 103, 94)
    elsewhere = reply_of("api.openai.com", "stop", usage).usage
    assert elsewhere.output_tokens == 9


def test_the_end_of_a_reply_has_one_word() -> None:
    assert reply_of("api.together.xyz", "eos", {}).finish_reason == "stop"


def test_a_user_may_replace_a_known_vendor_whole() -> None:
    own = ProviderConfig(base_url="https://gateway.example/v1", format="openai-chat")
    config = Config(providers={"mistral": own})
    check_providers(config)
    assert isinstance(format_for(own.format, "gateway.example"), OpenAIChat)
    assert provider_for(Pin("mistral", "m"), config, {}).name == "mistral"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Api-Key", "api-key", "x-portkey-api-key", "Content-Type", "Host", "x-amz-security-token"],
)
def test_headers_of_the_configuration_carry_no_keys_and_no_http(name: str) -> None:
    config = Config(providers={"acme": ProviderConfig(base_url="https://acme.example/v1", headers={name: "x"})})
    with pytest.raises(ConfigError, match="headers may not set"):
        check_providers(config)


def test_headers_of_the_configuration_go_with_every_request() -> None:
    async def ask(url: str) -> None:
        settings = ProviderConfig(base_url=url, headers={"X-LiteLLM-Num-Retries": "0"})
        provider = provider_for(PIN, Config(providers={"acme": settings}), {})
        await provider.ask(request(), seed=None, deadline=asyncio.get_running_loop().time() + 60)
        await provider.aclose()

    with LoopbackServer() as server:
        asyncio.run(ask(server.base_url))
    assert server.requests[0].headers["x-litellm-num-retries"] == "0"


def test_the_keys_of_vendors_are_those_of_the_table() -> None:
    assert {vendor.key for vendor in VENDORS.values() if vendor.hosts} <= set(KEY_HOSTS)


@pytest.mark.skipif(find_spec("botocore") is None, reason="botocore is not installed")
def test_bedrock_is_asked_by_the_credentials_of_the_environment() -> None:
    settings = ProviderConfig(format="bedrock-converse", base_url="https://bedrock-runtime.us-east-1.amazonaws.com")
    environ = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-secret"}
    provider = provider_for(Pin("aws", "m"), Config(providers={"aws": settings}), environ)
    assert provider.name == "aws"
    assert not secrets_of({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"})
    assert secrets_of({**environ, "AWS_SESSION_TOKEN": "a-token"}) == ("secret-secret", "a-token")


@pytest.mark.parametrize("host", ["evil.example", "amazonaws.com.evil.example", "xamazonaws.com"])
def test_nothing_is_signed_by_the_environments_credentials_for_a_stranger(host: str) -> None:
    stranger = ProviderConfig(format="bedrock-converse", base_url=f"https://{host}")
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY goes to"):
        check_providers(Config(providers={"aws": stranger}))


def test_a_bedrock_key_goes_to_amazon_alone() -> None:
    check_key_goes_home("BEDROCK_API_KEY", parse_endpoint("https://bedrock-runtime.us-east-1.amazonaws.com"))
    with pytest.raises(ValueError, match="BEDROCK_API_KEY goes to"):
        check_key_goes_home("BEDROCK_API_KEY", parse_endpoint("https://amazonaws.com.evil.example"))


def test_a_deployment_of_azure_answers_for_the_pin_where_its_own_endpoint_refuses() -> None:
    model, deployment = "gpt-4.1-2025-04-14", "our-deployment"
    pin = Pin("acme", model)

    async def ask(own: str, azure: str) -> Reply:
        named = ModelLimits(name=deployment)
        providers = {
            "acme": ProviderConfig(base_url=own, failover=["azure"], retries=2),
            "azure": ProviderConfig(
                format="azure-openai", base_url=azure, api_version="2024-10-21", models={model: named}
            ),
        }
        client = Client(Config(providers=providers), environ={}, clock=Still().clock())
        try:
            return reply_to(await client.sample(planned(pin=pin)))
        finally:
            await client.aclose()

    with LoopbackServer(Answer(status=429)) as own, LoopbackServer(Answer("hi", model=model)) as azure:
        reply = asyncio.run(ask(own.base_url, f"http://127.0.0.1:{azure.port}/openai"))
    (received,) = azure.requests
    assert (reply.text, reply.endpoint, reply.served_model) == ("hi", "azure", model)
    assert received.path == f"/openai/deployments/{deployment}/chat/completions?api-version=2024-10-21"
    assert received.json["model"] == deployment
