"""`[tool.promptops]` of pyproject.toml: one strict model, and the one place where precedence is decided.

Precedence, highest first: a command-line option, an environment variable (`PROMPTOPS_ENV`), pyproject.toml, the
default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from promptops.errors import ConfigError, Problem
from promptops.formats import EnvironmentName, Strict
from promptops.mistakes import mistakes
from promptops.times import Duration

PinText = Annotated[str, StringConstraints(pattern=r"^[^/\s]+/\S+$")]
ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_\-]*$", max_length=60)]


PositiveInt = Annotated[int, Field(ge=1)]
Concurrency = Annotated[int, Field(ge=1, le=1024)]

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9\-]{0,63}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?$")]


class ModelLimits(Strict):
    """`[tool.promptops.providers.<name>.models."<model id>"]`: what an endpoint says of one model.

    `name` is what the endpoint calls the model, where that is not the pin's own id. `context_window` is how many tokens
    prompt and answer may have together, `tokenizer` a `tokenizer.json` below the project with the model's vocabulary.
    The limits hold for this model, in addition to those of the provider.
    """

    name: str | None = None
    context_window: PositiveInt | None = None
    tokenizer: str | None = None
    concurrency: Concurrency | None = None
    rpm: PositiveInt | None = None
    tpm: PositiveInt | None = None


class ProviderConfig(Strict):
    """One `[tool.promptops.providers.<name>]`: an endpoint that speaks `format`.

    `api_version` is for the format `azure-openai` alone: without one it is the v1 API that is asked.

    `api_key_env` names the environment variable with the key; left out, no key is sent. `seed` false sends no seed, for
    an endpoint that refuses one; `drop_unsupported` leaves out params that the endpoint does not take for a model, in
    place of an error when a version with them is read; `stream` asks for a stream, which measures the first token.
    `headers` go with every request, for what a gateway wants to be told; `idempotency_header` is one in which every
    attempt at one sample carries the same value.

    Limits, of all processes of one user together: `concurrency` is requests in flight, `rpm` and `tpm` requests and
    tokens in any 60 seconds; `models` has those of single models. `adaptive` lowers the concurrency while the endpoint
    refuses or slows down, never above what is configured.

    Time: `timeout` bounds one attempt, `connect_timeout` its connection, `first_token_timeout` the wait for the first
    token (of a reply that is no stream: the first byte), `idle_timeout` the wait between two pieces of it. `retries`
    are further attempts after a failure that can pass.

    After `breaker` failures in a row (0: never) nothing is sent but a probe now and then; where no probe succeeds
    within `breaker_patience`, what is left fails at once.

    `prompt_cache` is for how long the vendor keeps the beginning of a prompt that is the same for all cases (None: what
    is usual for the format); a version's own param goes before it.

    `failover` names other providers that serve the same models and are asked when this one refuses, is broken or has a
    95th percentile of latency above `latency_budget`. `hedge_after` sends a second request where the first has not
    answered by then, for at most `hedge_share` of all requests.
    """

    format: Literal[
        "openai-chat",
        "openai-responses",
        "anthropic-messages",
        "gemini",
        "azure-openai",
        "bedrock-converse",
        "cohere",
        "deepseek",
        "mistral",
        "ollama",
    ] = "openai-chat"
    base_url: str
    api_version: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$")] | None = None
    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*_API_KEY$")] | None = None
    seed: bool = True
    drop_unsupported: bool = False
    prompt_cache: Literal["off", "5m", "1h"] | None = None
    stream: bool = False
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    idempotency_header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9\-]{0,63}$")] | None = None
    concurrency: Concurrency = 16
    rpm: PositiveInt | None = None
    tpm: PositiveInt | None = None
    adaptive: bool = True
    models: dict[str, ModelLimits] = Field(default_factory=dict)
    timeout: Duration = "60s"
    connect_timeout: Duration = "10s"
    first_token_timeout: Duration | None = None
    idle_timeout: Duration | None = None
    retries: Annotated[int, Field(ge=0, le=100)] = 10
    breaker: Annotated[int, Field(ge=0, le=10_000)] = 10
    breaker_patience: Duration = "15s"
    failover: list[ProviderName] = Field(default_factory=list)
    latency_budget: Duration | None = None
    hedge_after: Duration | None = None
    hedge_share: Annotated[float, Field(gt=0, le=1)] = 0.05


Dollars = Annotated[float, Field(ge=0)]


class Price(Strict):
    """`[tool.promptops.prices] "<pin>"`: US dollars per million tokens; `[input, output]` is short for the first two.

    `cached` are input tokens read from the provider's cache, `cache_write` those written to it (left out: as `input`),
    `cache_write_1h` those written for an hour (left out: twice the `input`, as Anthropic has it), `reasoning` the
    model's thinking (left out: as `output`). `batch` is the share of all of them that a batch costs, such as 0.5; left
    out, the price of a batch is not known.
    """

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    reasoning: Dollars | None = None
    batch: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_pair(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if len(value) != 2:
            raise ValueError("write [input, output], or a table with input, output, cached, cache_write, batch")
        return {"input": value[0], "output": value[1]}


class CacheConfig(Strict):
    """`[tool.promptops.cache]`: keep replies across runs. Without it a reply is shared within one run only.

    `url` is `redis://host/0`; left out, a SQLite file in the store folder. `ttl` is how long a reply is used, `max_mb`
    the size of the SQLite file past which the least recently used replies go.
    """

    url: str | None = None
    ttl: Duration = "168h"
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 512


class WebhookConfig(Strict):
    """`[tool.promptops.drift.webhook]`: who is told of an alarm.

    `url_env` names the environment variable with the address, which is a secret of Slack and Teams; `key_env` the one
    with the key that signs what is sent (left out: it is not signed).
    """

    kind: Literal["slack", "teams", "generic"] = "generic"
    url_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] = "PROMPTOPS_WEBHOOK_URL"
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*_API_KEY$")] | None = None


ProbeText = Annotated[str, Field(min_length=1, max_length=2000)]


class DriftConfig(Strict):
    """`[tool.promptops.drift]`: the nightly watch over served models. With this table its log is expected to be there.

    `size` is how much a reading asks, `prompts` the texts that tier 1a asks instead of the built-in ones. `reference`
    readings make the reference and `calibration` further ones the history, `spacing` apart. `state` is where the log
    is kept: a folder, from the project's root, `store` for the run store, or the address of a PostgreSQL, without a
    password (left out: `drift` in the store folder).

    `texts` says when tier 2 is asked besides its baseline; `dataset_budget` is the US dollars that datasets (tier 3)
    may cost a night, in rotation; `webhook` is who is told of an alarm.
    """

    size: Literal["tiny", "standard"] = "standard"
    prompts: Annotated[list[ProbeText], Field(max_length=5)] = Field(default_factory=list)
    reference: Annotated[int, Field(ge=4, le=60)] = 8
    calibration: Annotated[int, Field(ge=30, le=60)] = 60
    spacing: Duration = "1h"
    state: Annotated[str, Field(min_length=1)] | None = None
    texts: Literal["weekly", "alarm", "off"] = "alarm"
    dataset_budget: Annotated[float, Field(ge=0)] = 0.5
    webhook: WebhookConfig | None = None


class Config(Strict):
    """Everything under `[tool.promptops]`.

    `prompts` and `fixtures` are folders relative to the project root; `redact` are regular expressions whose matches
    are replaced before anything is written; `prices` maps a pin to what its tokens cost.

    `budget` (US dollars), `budget_tokens` and `budget_requests` are caps of one run. `sample_timeout` bounds one
    sample from its first request to its last retry, `run_timeout` the whole run. `retry_budget` is how many retries a
    run may make for each request that succeeds, so that an outage does not multiply traffic. `fallbacks` maps a pin to
    other models that `Prompt.run` may ask when it fails; tests never use them.
    """

    environment: EnvironmentName = "production"
    prompts: str = "prompts"
    fixtures: str = "fixtures"
    store: str = ".promptops"
    concurrency: Concurrency | None = None
    budget: Annotated[float, Field(gt=0)] | None = None
    budget_tokens: PositiveInt | None = None
    budget_requests: PositiveInt | None = None
    sample_timeout: Duration = "10m"
    run_timeout: Duration | None = None
    retry_budget: Annotated[float, Field(ge=0, le=100)] = 1.0
    redact: list[str] = Field(default_factory=list)
    providers: dict[ProviderName, ProviderConfig] = Field(default_factory=dict)
    fallbacks: dict[PinText, list[PinText]] = Field(default_factory=dict)
    cache: CacheConfig | None = None
    drift: DriftConfig | None = None
    prices: dict[str, Price] = Field(default_factory=dict)


def parse_config(text: str, *, path: str = "pyproject.toml") -> Config:
    """Read `[tool.promptops]` out of the text of a pyproject.toml (absent: all defaults).

    Raises `ConfigError` with every problem at once.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(path, 0, f"is not TOML: {error}", "mend the syntax; nothing was read")]) from error
    except (RecursionError, ValueError) as error:  # an endless nesting, or a number of too many digits
        raise ConfigError([Problem(path, 0, f"cannot be read as TOML: {str(error)[:200]}", "simplify it")]) from error
    tools = document.get("tool", {})
    if not isinstance(tools, dict):
        raise ConfigError([Problem(path, 0, "tool must be a table: write [tool.promptops]")])
    table = tools.get("promptops", {})
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_problems(error, table, text, path)) from error


def environment_name(config: Config, option: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The environment in force: the option, else `$PROMPTOPS_ENV`, else pyproject.toml."""
    return option or environ.get("PROMPTOPS_ENV") or config.environment


def _problems(error: ValidationError, table: Any, text: str, path: str) -> list[Problem]:
    found = []
    for mistake in mistakes(Config, error, _written_out(table)):
        keys = [str(part) for part in mistake.where]
        name = ".".join(["tool.promptops", *keys])
        written = keys[:2] if keys[:1] == ["prices"] else keys  # a price stands in one line
        found.append(Problem(path, line_of(text, written), f"{name}: {mistake.message}", mistake.hint))
    return found


def _written_out(table: Any) -> Any:
    """The table with each `[input, output]` of a price as what it is short for."""
    prices = table.get("prices") if isinstance(table, dict) else None
    if not isinstance(prices, dict):
        return table
    pairs = {pin: dict(zip(("input", "output"), pair, strict=False)) for pin, pair in prices.items() if _is_pair(pair)}
    return {**table, "prices": {**prices, **pairs}}


def _is_pair(price: Any) -> bool:
    return isinstance(price, list) and len(price) == 2


def line_of(text: str, keys: list[str]) -> int:
    """Return the line of pyproject.toml where the last of `keys` (below tool.promptops) that is written out stands.

    0 where none is found.
    """
    best = 0
    for number, line in enumerate(text.splitlines(), start=1):
        head = line.split("#")[0].split("=")[0].strip()
        table = head.strip("[]").split(".")
        if head.startswith("[tool.promptops") and [t.strip().strip("\"'") for t in table[2:]] == keys[: len(table) - 2]:
            best = number
        elif best and head.strip("\"'") in keys[-1:]:
            return number
        elif best and head.startswith("[") and not head.startswith("[tool.promptops"):
            break
    return best
