"""The records that say what a wire format is, as far as it can be said in data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core.wire.schema_modes import SchemaMode
from promptops.models import Json, Role


class Field(Struct, frozen=True):
    """Where one of our params goes.

    `path` leads to it in the body (`("generationConfig", "topP")`); empty: the format's code writes it. `page` is the
    vendor's reference that says so. `low` and `high` bound a number where the vendor's range is narrower than ours;
    `choices` maps each of our words that the vendor knows to what is sent. `as_list` sends a single text as a list, of
    at most `most` texts.
    """

    path: tuple[str, ...]
    page: str
    low: float | None = None
    high: float | None = None
    choices: Mapping[str, Json] | None = None
    as_list: bool = False
    most: int | None = None


class ModelRule(Struct, frozen=True):
    """What certain models of a vendor do not take, or take differently.

    `models` is a regular expression for the whole model id, without the prefixes of gateways. `refuses` are params;
    they are taken all the same where a param of `unless` has one of the given values (None: where it is not set).
    `either` are params of which only one may be set; `fields` replaces those of the format; `efforts` are those that
    these models know of the format's words (None: all). `native_schema` False: they are older than the format's mode
    for schemas.
    """

    models: str
    page: str
    refuses: frozenset[str] = frozenset()
    unless: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    either: frozenset[str] = frozenset()
    fields: Mapping[str, Field] = field(default_factory=dict)
    efforts: frozenset[str] | None = None
    native_schema: bool = True


def EffortRule(models: str, page: str, words: str) -> ModelRule:  # noqa: N802 - a kind of ModelRule
    """Return the rule that these models know only some words for the effort: `words`, with spaces between them."""
    return ModelRule(models, page, efforts=frozenset(words.split()))


class Spec(Struct, frozen=True):
    """One wire format, or a vendor's dialect of it.

    `fields` are the params that it takes, `required` those that it cannot do without (with the page that says so).
    `roles` are its names of ours, `stops` maps its stop reasons to ours, `usage` says for each count of ours at which
    paths of the reply's usage it stands (more than one: their sum), `usage_instead` where it stands if at none of them.
    `media` are the media types that messages may hold, `tools` says that there may be any; `native_schema` says that it
    has a mode that keeps to a JSON Schema, `schema_mode` what this mode can hold. `models` are what single models
    refuse.
    `key_header` carries the key as it is (None: `authorization` does, as a bearer token); `headers` and `extra` go with
    every request, the latter at the top level of the body, where `extra_body` has nothing else under its name.
    `sample_seed` False: only a seed that a version sets is sent, and none of the sample's own.
    """

    format: str
    page: str
    fields: Mapping[str, Field]
    required: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[Role, str] = field(default_factory=dict)
    stops: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[Literal["image", "file"], frozenset[str]] = field(default_factory=dict)
    usage: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    usage_instead: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tools: bool = True
    native_schema: bool = True
    schema_mode: SchemaMode = "any"
    models: tuple[ModelRule, ...] = ()
    key_header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    sample_seed: bool = True

    def but(
        self,
        *,
        page: str | None = None,
        fields: Mapping[str, Field] | None = None,
        without: frozenset[str] = frozenset(),
        models: tuple[ModelRule, ...] = (),
        native_schema: bool | None = None,
    ) -> Spec:
        """Return the dialect that takes `fields` besides or differently, and does not take `without`."""
        taken = {name: place for name, place in {**self.fields, **(fields or {})}.items() if name not in without}
        return replace(
            self,
            page=page or self.page,
            fields=taken,
            models=(*self.models, *models),
            native_schema=self.native_schema if native_schema is None else native_schema,
        )
