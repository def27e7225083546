from __future__ import annotations

import pytest

from promptops.config import Config, ProviderConfig
from promptops.errors import ConfigError, ProviderError, UsageError
from promptops.models import Pin
from promptops.providers.formats import FORMATS
from promptops.providers.keys import KeySource, check_key_goes_home, parse_endpoint
from promptops.providers.registry import KNOWN, check_providers, provider_for

OPENAI = Pin("openai", "gpt-4.1-mini-2025-04-14")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("https://api.openai.com/v1", False),
        ("https://gateway.example:8443/a/b/", False),
        ("http://127.0.0.1:8770/v1", True),
        ("http://localhost:8770/v1", True),
        ("http://[::1]:8770/v1", True),
        ("https://127.0.0.1/v1", True),
        ("https://localhost.evil.example/v1", False),
    ],
)
def test_a_good_base_url_is_taken(url: str, loopback: bool) -> None:
    endpoint = parse_endpoint(url)
    assert endpoint.loopback is loopback
    assert not endpoint.url.endswith("/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.openai.com/v1", "not encrypted"),
        ("http://127.0.0.1.evil.example/v1", "not encrypted"),
        ("http://localhost.evil.example/v1", "not encrypted"),
        ("http://10.0.0.1/v1", "not encrypted"),
        ("http://0.0.0.0/v1", "not encrypted"),
        ("https://user:secret@host/v1", "must not hold a user"),
        ("https://sk-key@host/v1", "must not hold a user"),
        ("https://host/v1?key=x", "no ? and no #"),
        ("https://host/v1#x", "no ? and no #"),
        ("https://host:99999/v1", "is not a URL"),
        ("https://[::1/v1", "is not a URL"),
        ("https:///v1", "is not a base URL"),
        ("ftp://host/v1", "is not a base URL"),
        ("file:///etc/passwd", "is not a base URL"),
        ("api.openai.com/v1", "is not a base URL"),
        ("", "is not a base URL"),
        ("https://ho st/v1", "is not a base URL"),
        ("https://host/v1\r\nX-Evil: 1", "is not a base URL"),
        ("https://api.openai.com\\@evil.example/v1", "is not a base URL"),
        ("https://\u0430pi.openai.com/v1", "is not a base URL"),
    ],
)
def test_a_bad_base_url_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")) as caught:
        parse_endpoint(url)
    assert "secret" not in str(caught.value)
    assert "sk-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "url", "home"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://eu.api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://API.OPENAI.COM/v1", True),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1", False),
        ("OPENAI_API_KEY", "https://evilapi.openai.com.co/v1", False),
        ("OPENAI_API_KEY", "https://xapi.openai.com/v1", False),
        ("OPENAI_API_KEY", "http://127.0.0.1:1/v1", False),
        ("ANTHROPIC_API_KEY", "https://api.openai.com/v1", False),
        ("ACME_API_KEY", "https://anything.example/v1", True),
    ],
)
def test_a_vendors_key_goes_to_that_vendor_only(variable: str, url: str, home: bool) -> None:
    endpoint = parse_endpoint(url)
    if home:
        check_key_goes_home(variable, endpoint)
    else:
        with pytest.raises(ValueError, match=rf"{variable} goes to .* only, not to"):
            check_key_goes_home(variable, endpoint)


def test_a_provider_that_would_send_the_key_to_a_stranger_is_a_config_error_before_anything_is_asked() -> None:
    settings = ProviderConfig(base_url="https://evil.example/v1", api_key_env="OPENAI_API_KEY")
    with pytest.raises(ConfigError, match=r"providers\.openai: OPENAI_API_KEY goes to api\.openai\.com only"):
        provider_for(OPENAI, Config(providers={"openai": settings}), {"OPENAI_API_KEY": "sk-0123456789"})


def test_all_wrong_providers_are_named_at_once() -> None:
    providers = {
        "a": ProviderConfig(base_url="http://far.example/v1"),
        "b": ProviderConfig(base_url="https://fine.example/v1"),
        "local": ProviderConfig(base_url="http://127.0.0.1:1/v1"),
    }
    with pytest.raises(ConfigError) as caught:
        check_providers(Config(providers=providers))
    assert [problem.message.split(":")[0] for problem in caught.value.problems] == [
        "tool.promptops.providers.a",
        "tool.promptops.providers.local",
    ]


def test_an_unknown_provider_is_named_with_the_nearest_and_the_way_to_add_it() -> None:
    with pytest.raises(
        UsageError, match=r"did you mean 'openai'.*known: .*local,.*openai,.*\[tool\.promptops\.providers\.opneai\]"
    ):
        provider_for(Pin("opneai", "x"), Config(), {})


def test_known_vendors_need_no_configuration_and_pass_their_own_rules() -> None:
    check_providers(Config(providers=dict(KNOWN)))
    assert provider_for(OPENAI, Config(), {}).limits().concurrency == 16


def test_every_format_of_the_configuration_is_registered() -> None:
    annotation = ProviderConfig.model_fields["format"].annotation
    assert set(annotation.__args__) == set(FORMATS)  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["", "  ", "sk a", "sk\nX-Evil: 1", "sk-ключ"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ProviderError, match=r"acme: \$ACME_API_KEY") as caught:
        KeySource("ACME_API_KEY", {"ACME_API_KEY": value}).read("acme")
    assert caught.value.kind == "auth"
    assert not value.strip() or value not in str(caught.value)


def test_a_key_source_never_shows_its_key() -> None:
    source = KeySource("ACME_API_KEY", {"ACME_API_KEY": " sk-0123456789\n"})
    assert source.read("acme") == "sk-0123456789"
    assert "sk-" not in repr(source)
