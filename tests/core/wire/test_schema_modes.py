"""What vendors' modes for a schema cannot hold, of models that people write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from promptops.core.wire.schema_modes import SchemaMode, beyond
from promptops.core.wire.strict_schema import strict_schema
from promptops.models import Json, Message, Pin, Request
from promptops.providers.formats import format_for


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str | None = None


class Dog(BaseModel):
    kind: Literal["dog"]
    tags: list[str] = []


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Node(BaseModel):
    value: int
    following: Node | None = None


class List(BaseModel):
    head: Node


class Counts(BaseModel):
    of: dict[str, int]


class Pair(BaseModel):
    both: tuple[int, str]


class Whatever(BaseModel):
    value: Any


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    value: int


@pytest.mark.parametrize(
    ("model", "openai", "claude"),
    [
        (Cat, "", ""),
        (Owner, "", ""),
        (List, "", "a schema that refers to itself"),
        (Node, "", "a schema that refers to itself"),
        (Counts, "an object of any keys", "an object of any keys"),
        (Open, "an object of any keys", "an object of any keys"),
        (Pair, "a list of anything", ""),
        (Whatever, "a value of any type", "a value of any type"),
        (RootModel[list[int]], "an answer that is no object", ""),
        (RootModel[Cat | Dog], "an answer that is no object", ""),
    ],
)
def test_what_a_mode_cannot_hold_is_found_in_the_model(model: type[BaseModel], openai: str, claude: str) -> None:
    schema = model.model_json_schema()
    assert (beyond("openai", schema), beyond("claude", schema), beyond("any", schema)) == (openai, claude, "")


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"$ref": "#/$defs/A", "$defs": {"A": True}}, {"allOf": 3}])
@pytest.mark.parametrize("mode", ["openai", "claude"])
def test_schemas_that_nobody_makes_of_a_model_are_judged_too(mode: SchemaMode, schema: Mapping[str, Any]) -> None:
    assert isinstance(beyond(mode, schema), str)


def test_a_union_with_a_discriminator_is_any_of_its_models() -> None:
    pet = strict_schema(Owner.model_json_schema())["properties"]["pet"]
    assert pet == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "title": "Pet"}


@pytest.mark.parametrize(
    ("name", "host", "model", "where"),
    [
        ("openai-chat", "api.openai.com", "gpt-4o-2024-08-06", "response_format"),
        ("openai-responses", "api.openai.com", "gpt-4o-2024-08-06", "text"),
        ("azure-openai", "acme.openai.azure.com", "gpt-4o-2024-08-06", "response_format"),
        ("openai-chat", "api.groq.com", "openai/gpt-oss-120b", "response_format"),
        ("anthropic-messages", "api.anthropic.com", "claude-sonnet-4-5-20250929", "output_config"),
    ],
)
def test_auto_asks_in_words_for_what_the_mode_cannot_hold(name: str, host: str, model: str, where: str) -> None:
    def body(of: type[BaseModel], how: str) -> dict[str, Any]:
        params: dict[str, Json] = {"max_tokens": 9, "structured_output": how}
        request = Request(Pin("x", model), (Message("user", "hi"),), params, output_schema=of.model_json_schema())
        return format_for(name, host).body(request, None)

    assert where in body(Cat, "auto")
    assert where in body(Counts, "native")
    assert where not in (asked := body(Counts, "auto"))
    assert "additionalProperties" in str(asked)
