"""`[tool.promptops]` of pyproject.toml: one strict model, and the one place where precedence is decided.

Precedence, highest first: a command-line option, an environment variable (`PROMPTOPS_ENV`), pyproject.toml, the
default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from promptops.errors import ConfigError, Problem, did_you_mean
from promptops.formats import EnvironmentName, Strict
from promptops.times import Duration

ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_\-]*$", max_length=60)]


class ProviderConfig(Strict):
    """One `[tool.promptops.providers.<name>]`: an endpoint that speaks `format`.

    `concurrency` is requests in flight, `rpm` and `tpm` requests and tokens a minute, `retries` further attempts after
    a failure that can pass. `api_key_env` names the environment variable with the key; left out, no key is sent.
    `seed` false sends no seed, for an endpoint that refuses one.
    """

    format: Literal["openai-chat"] = "openai-chat"
    base_url: str
    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*_API_KEY$")] | None = None
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16
    rpm: Annotated[int, Field(ge=1)] | None = None
    tpm: Annotated[int, Field(ge=1)] | None = None
    timeout: Duration = "60s"
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    seed: bool = True


class Config(Strict):
    """Everything under `[tool.promptops]`.

    `prompts` and `fixtures` are folders relative to the project root; `redact` are regular expressions whose matches
    are replaced before anything is written; `prices` maps a pin to US dollars per million input and output tokens.
    """

    environment: EnvironmentName = "production"
    prompts: str = "prompts"
    fixtures: str = "fixtures"
    store: str = ".promptops"
    concurrency: Annotated[int, Field(ge=1, le=1024)] | None = None
    budget: Annotated[float, Field(gt=0)] | None = None
    redact: list[str] = Field(default_factory=list)
    providers: dict[ProviderName, ProviderConfig] = Field(default_factory=dict)
    prices: dict[str, tuple[float, float]] = Field(default_factory=dict)


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
        return Config.model_validate(_with_tuples(table))
    except ValidationError as error:
        raise ConfigError(_problems(error, text, path)) from error


def environment_name(config: Config, option: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The environment in force: the option, else `$PROMPTOPS_ENV`, else pyproject.toml."""
    return option or environ.get("PROMPTOPS_ENV") or config.environment


def _with_tuples(table: Any) -> Any:
    """TOML has arrays only, strict pydantic wants tuples where the model says tuple."""
    if isinstance(table, dict) and isinstance(table.get("prices"), dict):
        prices = {pin: tuple(map(_number, p)) if isinstance(p, list) else p for pin, p in table["prices"].items()}
        return {**table, "prices": prices}
    return table


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _problems(error: ValidationError, text: str, path: str) -> list[Problem]:
    found = []
    for item in error.errors():
        keys = [str(part) for part in item["loc"]]
        name = ".".join(["tool.promptops", *keys])
        message, hint = f"{name}: {item['msg']}", ""
        if item["type"] == "extra_forbidden":
            model = ProviderConfig if keys[0] == "providers" and len(keys) > 2 else Config
            message = f"{name}: unknown key{did_you_mean(keys[-1], model.model_fields)}"
            hint = "known keys: " + ", ".join(sorted(model.model_fields))
        found.append(Problem(path, line_of(text, keys), message, hint))
    return found


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
