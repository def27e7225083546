"""What Bedrock calls a model, with the prefix of a region or as the ARN of a profile, is found in the price table."""

from __future__ import annotations

import pytest

from promptops.core.price_list import listed
from promptops.models import Pin

ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{}"
REGIONAL, WORLDWIDE = (
    "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
)
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        (SONNET, REGIONAL),
        *((f"{region}.{SONNET}", REGIONAL) for region in ("us", "eu", "jp", "au", "apac", "us-gov")),
        (f"global.{SONNET}", WORLDWIDE),
        (ARN.format(f"eu.{SONNET}"), REGIONAL),
        (ARN.format(f"global.{SONNET}"), WORLDWIDE),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "meta.llama3-3-70b-instruct-v1:0"),
        ("us.deepseek.r1-v1:0", "deepseek.r1-v1:0"),
        ("openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b-1:0"),
    ],
)
@pytest.mark.parametrize("provider", ["bedrock", "aws"])
def test_a_model_of_bedrock_has_its_price(provider: str, model: str, entry: str) -> None:
    found = listed(Pin(provider, model))
    assert found is not None
    assert found.name == entry
    assert found.input


@pytest.mark.parametrize(
    "model", [ARN.replace("inference-profile", "application-inference-profile").format("abcd1234"), "acme.unheard-of"]
)
def test_what_the_name_does_not_tell_has_no_price(model: str) -> None:
    assert listed(Pin("bedrock", model)) is None


def test_a_model_served_worldwide_costs_less_than_in_one_region() -> None:
    one, other = listed(Pin("bedrock", f"eu.{SONNET}")), listed(Pin("bedrock", f"global.{SONNET}"))
    assert one is not None
    assert other is not None
    assert one.input is not None
    assert other.input is not None
    assert one.input > other.input
