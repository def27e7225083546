"""Invalid output at run time: asked again, a declared value in its place, and replies that say so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

import promptops
from promptops.core.digest import version_digest
from promptops.core.manifest import serve
from promptops.errors import OutputInvalid, ProviderError
from promptops.formats import Closure, Fallback, Served
from promptops.project.manifest import load_manifest, manifest_path, render_manifest
from promptops.project.released import released_path, render_closure
from promptops.testing import Answer, LoopbackServer, TemporaryProject

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": ["integer", "null"]}}}
GOOD, BAD = '{"n": 3}', '{"m": 3}'


class Odd(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("an even number")
        return value


class World:
    """A released prompt and a server with a list of answers, the last of which it repeats."""

    def __init__(self, path: Path) -> None:
        self.kit = TemporaryProject(path)
        self.answers: list[str | Answer] = [GOOD]
        self.server = LoopbackServer(self._answer)

    def release(self, **changes: Any) -> None:
        closure = Closure(
            prompt="count",
            version="v1",
            model="acme/m-1",
            template="{{ text }}",
            inputs={"text": {"type": "string"}},
            **{"output_schema": SCHEMA, **changes},
        )
        path = released_path(self.kit.project, "count", "v1")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_closure(closure))
        served = Served(version="v1", digest=version_digest(closure), pin=closure.model, how="adopted", at="now")
        manifest = serve(load_manifest(self.kit.project), "production", "count", served)
        manifest_path(self.kit.project).write_text(render_manifest(manifest))

    def _answer(self, asked: dict[str, Any]) -> str | Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    for name in ("PROMPTOPS_ENV", "PROMPTOPS_PIN"):
        monkeypatch.delenv(name, raising=False)
    found = World(tmp_path)
    with found.server as server:
        found.kit.provider("acme", server.base_url, retries=0)
        found.kit.config('[tool.promptops.prices]\n"acme/m-1" = [1.0, 2.0]')
        yield found


def _run(prompt: promptops.Prompt) -> promptops.Reply:
    return prompt.run(text="three")


def _arun(prompt: promptops.Prompt) -> promptops.Reply:
    return asyncio.run(prompt.arun(text="three"))


BOTH = pytest.mark.parametrize("ask", [_run, _arun])


@BOTH
def test_an_invalid_output_is_asked_for_again_over_http(
    world: World, ask: Callable[[promptops.Prompt], promptops.Reply]
) -> None:
    world.release(reask=2)
    world.answers = [Answer("three", usage=(10, 1)), Answer(BAD, usage=(20, 2)), Answer(GOOD, usage=(30, 3))]
    reply = ask(promptops.load("count"))
    assert (reply.parsed, reply.asked_again, reply.fallback) == ({"n": 3}, 2, False)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (60, 6)
    assert reply.cost == pytest.approx((60 + 12) / 1e6, abs=1e-15)
    assert [turn.text for turn in reply.earlier] == ["three", BAD]
    assert "'n' is a required property" in reply.earlier[1].problems[0]
    last = world.server.requests[-1].json["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "user", "assistant", "user"]
    assert "required property" in last[-1]["content"]


def test_without_reask_and_fallback_nobody_looks_at_the_output(world: World) -> None:
    world.release()
    world.answers = [BAD]
    reply = promptops.load("count").run(text="three")
    assert (world.server.count, reply.text, reply.fallback) == (1, BAD, False)
    with pytest.raises(OutputInvalid, match="required property"):
        _ = reply.parsed


def test_an_output_that_stays_invalid_raises_where_it_is_read(world: World) -> None:
    world.release(reask=1)
    world.answers = ["three"]
    reply = promptops.load("count").run(text="three")
    assert (world.server.count, reply.asked_again) == (2, 1)
    with pytest.raises(OutputInvalid):
        _ = reply.parsed


@BOTH
def test_a_declared_value_stands_in_and_the_reply_says_so_and_why(
    world: World, caplog: pytest.LogCaptureFixture, ask: Callable[[promptops.Prompt], promptops.Reply]
) -> None:
    world.release(reask=1, fallback=Fallback(value={"n": None}))
    world.answers = ["a secret of the guest"]
    with caplog.at_level(logging.WARNING, "promptops"):
        reply = ask(promptops.load("count"))
    assert (reply.parsed, reply.fallback, reply.fallback_value) == ({"n": None}, True, True)
    assert reply.fallback_reason == (
        "the last of 2 answers of acme/m-1 does not satisfy the output contract: there is no JSON object in the output"
    )
    assert (reply.text, reply.pin, reply.asked_again) == ("a secret of the guest", "acme/m-1", 1)
    why = "the last of 2 answers of acme/m-1 does not satisfy the output contract"
    assert caplog.messages == [f"count v1: the declared fallback stands in: {why}"]


def test_an_answer_that_was_cut_is_not_asked_for_again_and_told(world: World) -> None:
    world.release(reask=2, fallback=Fallback(value={"n": None}))
    world.answers = [Answer('{"m', finish_reason="length")]
    reply = promptops.load("count").run(text="three")
    assert (world.server.count, reply.finish_reason) == (1, "length")
    assert reply.fallback_reason.startswith("the answer of acme/m-1 was cut at its limit and does not satisfy")


def test_the_value_is_a_copy_that_a_caller_may_change(world: World) -> None:
    world.release(fallback=Fallback(value={"n": None}))
    world.answers = ["three"]
    prompt = promptops.load("count")
    parsed: Any = prompt.run(text="three").parsed
    parsed["n"] = 7
    assert prompt.run(text="three").parsed == {"n": None}


def test_a_value_that_is_null_is_a_value(world: World) -> None:
    world.release(output_schema={"type": ["object", "null"]}, fallback=Fallback(value=None))
    world.answers = ["three"]
    reply = promptops.load("count").run(text="three")
    assert (reply.parsed, reply.fallback_value) == (None, True)


def test_it_stands_in_for_an_answer_that_never_came(world: World) -> None:
    world.release(fallback=Fallback(value={"n": None}))
    world.answers = [Answer(status=503, error="down")]
    reply = promptops.load("count").run(text="three")
    assert (reply.parsed, reply.text, reply.served_by) == ({"n": None}, "", None)
    assert reply.fallback_reason.startswith("acme/m-1 did not answer (server): ")
    assert "down" in reply.fallback_reason


def test_what_it_cost_until_then_is_told(world: World) -> None:
    world.release(reask=1, fallback=Fallback(value={"n": None}))
    world.answers = [Answer("three", usage=(10, 1)), Answer(status=503)]
    reply = promptops.load("count").run(text="three")
    assert (reply.fallback_value, reply.usage.input_tokens) == (True, 10)
    assert reply.cost == pytest.approx(12 / 1e6, abs=1e-15)


def test_a_request_that_can_never_succeed_raises_all_the_same(world: World) -> None:
    world.release(fallback=Fallback(value={"n": None}))
    world.answers = [Answer(status=400, error="no such field")]
    with pytest.raises(ProviderError) as caught:
        promptops.load("count").run(text="three")
    assert caught.value.kind == "request"


def test_other_models_are_asked_before_the_value_is_used(world: World) -> None:
    world.release(fallback=Fallback(value={"n": None}))
    with LoopbackServer(GOOD) as spare:
        world.kit.provider("spare", spare.base_url, retries=0)
        world.kit.config("[tool.promptops.fallbacks]\n'acme/m-1' = ['spare/m-2']\n")
        world.answers = [Answer(status=503)]
        reply = promptops.load("count").run(text="three")
        assert (reply.parsed, reply.fallback, reply.fallback_value, reply.pin) == ({"n": 3}, True, False, "spare/m-2")
        assert reply.fallback_reason.startswith("acme/m-1 did not answer (server)")
        world.answers = ["three"]
        asked = spare.count
        assert promptops.load("count").run(text="three").fallback_value
        assert spare.count == asked, "an invalid output is no reason to ask another model"


def test_a_reply_that_calls_tools_is_the_callers(world: World) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    world.release(
        reask=1, fallback=Fallback(value={"n": None}), tools=[{"type": "function", "function": {"name": "find"}}]
    )
    world.answers = [Answer(None, tool_calls=[call], finish_reason="tool_calls")]
    reply = promptops.load("count").run(text="three")
    assert (reply.fallback, world.server.count, len(reply.tool_calls)) == (False, 1, 1)


def test_a_model_of_the_caller_decides_where_it_is_handed_over(world: World) -> None:
    world.release(reask=1, fallback=Fallback(value={"n": 1}))
    world.answers = ['{"n": 2}', GOOD]
    plain = promptops.load("count")
    assert plain.run(text="three").parsed == {"n": 2}
    world.answers = ['{"n": 2}', GOOD]
    reply = plain.expecting(Odd).run(text="three")
    assert (reply.parsed, reply.asked_again) == ({"n": 3}, 1)
    assert reply.earlier[0].problems == ("n: Value error, an even number (got 2)",)
    world.answers = ['{"n": 2}']
    assert plain.expecting(Odd).run(text="three").parsed_as(Odd) == Odd(n=1)


# --- who answered

HIT = {"x-portkey-cache-status": "HIT"}


def test_a_reply_that_does_not_count_raises_with_the_header_that_told(world: World) -> None:
    world.release()
    world.answers = [Answer(GOOD, headers=HIT)]
    with pytest.raises(ProviderError, match="x-portkey-cache-status: HIT") as caught:
        promptops.load("count").run(text="three")
    assert caught.value.kind == "identity"


@pytest.mark.parametrize(
    ("identity", "answer", "deviations"),
    [
        ({"allow": ["cache"]}, Answer(GOOD, headers=HIT), ("a gateway answered from its cache",)),
        ({"runtime": ["cache"]}, Answer(GOOD, headers=HIT), ("a gateway answered from its cache",)),
        (
            {"runtime": ["fallback"]},
            Answer(GOOD, headers={"x-litellm-attempted-fallbacks": "1"}),
            ("a gateway fell back to another endpoint (x-litellm-attempted-fallbacks: 1)",),
        ),
        ({"runtime": ["model"]}, Answer(GOOD, model="m-2"), ("the reply says that 'm-2' answered",)),
        ({"runtime": ["model", "cache"]}, Answer(GOOD), ()),
        (
            {"runtime": ["model", "cache"]},
            Answer(GOOD, model="m-2", headers=HIT),
            ("a gateway answered from its cache", "the reply says that 'm-2' answered"),
        ),
    ],
)
def test_what_the_release_allows_passes_and_is_told(
    world: World, identity: dict[str, Any], answer: Answer, deviations: tuple[str, ...]
) -> None:
    world.release(identity=identity)
    world.answers = [answer]
    reply = promptops.load("count").run(text="three")
    assert reply.parsed == {"n": 3}
    assert len(reply.deviations) == len(deviations)
    assert all(found.startswith(told) for found, told in zip(reply.deviations, deviations, strict=True))


@pytest.mark.parametrize(
    ("identity", "answer"),
    [
        ({"runtime": ["cache"]}, Answer(GOOD, model="m-2")),
        ({"regions": ["eastus"]}, Answer(GOOD, headers={"x-ms-region": "westus"})),
        ({"hosts": ["openai"]}, Answer(GOOD, headers={"x-portkey-provider": "azure"})),
        ({"fingerprints": ["fp_1"]}, Answer(GOOD, fields={"system_fingerprint": "fp_2"})),
    ],
)
def test_what_the_release_does_not_allow_is_refused(world: World, identity: dict[str, Any], answer: Answer) -> None:
    world.release(identity=identity)
    world.answers = [answer]
    with pytest.raises(ProviderError) as caught:
        promptops.load("count").run(text="three")
    assert caught.value.kind == "identity"


def test_region_host_and_fingerprint_are_told(world: World) -> None:
    world.release(identity={"regions": ["eastus"], "hosts": ["openai"], "fingerprints": ["fp_1"]})
    headers = {"x-ms-region": "EastUS", "x-portkey-provider": "openai"}
    world.answers = [Answer(GOOD, headers=headers, fields={"system_fingerprint": "fp_1"})]
    reply = promptops.load("count").run(text="three")
    assert (reply.region, reply.host, reply.fingerprint, reply.deviations) == ("EastUS", "openai", "fp_1", ())


def test_a_fallback_model_is_not_held_against_the_hosts_of_the_pin(world: World) -> None:
    world.release(identity={"hosts": ["openai"]})
    with LoopbackServer(GOOD) as spare:
        world.kit.provider("spare", spare.base_url, retries=0)
        world.kit.config("[tool.promptops.fallbacks]\n'acme/m-1' = ['spare/m-2']\n")
        reply = promptops.load("count").run(text="three")
    assert (reply.fallback, reply.pin) == (True, "spare/m-2")
    assert "identity" in reply.fallback_reason


def test_what_spoke_against_the_pin_in_any_answer_of_a_conversation_is_told(world: World) -> None:
    hit = {"x-portkey-cache-status": "HIT"}
    world.answers = [Answer(BAD, headers=hit), Answer(BAD, headers={**hit, "x-litellm-attempted-fallbacks": "1"}), GOOD]
    world.release(reask=2, identity={"runtime": ["cache", "fallback"]})
    reply = promptops.load("count").run(text="hi")
    assert (reply.asked_again, reply.parsed) == (2, {"n": 3})
    assert [told.partition(" (")[0] for told in reply.deviations] == [
        "a gateway answered from its cache",
        "a gateway fell back to another endpoint",
    ]
