from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import promptops
from promptops.core.digest import version_digest
from promptops.core.manifest import serve
from promptops.errors import OutputInvalid, ProblemsError, ProviderError, TemplateRefused, UsageError
from promptops.formats import Closure, Environment, Manifest, Served
from promptops.loader import parse_pins
from promptops.project.manifest import load_manifest, manifest_path, render_manifest
from promptops.project.released import released_path, render_closure
from promptops.testing import Answer, LoopbackServer, TemporaryProject

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


class Count(BaseModel):
    n: int


def release(kit: TemporaryProject, version: str, environment: str = "production", **changes: Any) -> None:
    """Write a closure and let an environment serve it; there is no prompt file at all."""
    fields: dict[str, Any] = {
        "prompt": "booking",
        "version": version,
        "model": "acme/m-1",
        "template": f"{{% system %}}{version}{{% endsystem %}}{{% user %}}{{{{ text }}}}{{% enduser %}}",
        "inputs": {"text": {"type": "string"}},
        "output_schema": SCHEMA,
    }
    closure = Closure(**{**fields, **changes})
    project = kit.project
    path = released_path(project, "booking", version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_closure(closure))
    served = Served(version=version, digest=version_digest(closure), pin=closure.model, how="adopted", at="now")
    manifest = serve(load_manifest(project), environment, "booking", served)
    manifest_path(project).write_text(render_manifest(manifest))


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TemporaryProject:
    kit = TemporaryProject(tmp_path)
    release(kit, "v1")
    release(kit, "v2")
    release(kit, "v1", "staging")
    monkeypatch.chdir(tmp_path)
    for name in ("PROMPTOPS_ENV", "PROMPTOPS_PIN"):
        monkeypatch.delenv(name, raising=False)
    return kit


@pytest.fixture
def server(kit: TemporaryProject) -> Iterator[LoopbackServer]:
    with LoopbackServer(lambda received: '{"n": 3}') as server:
        kit.provider("acme", server.base_url, retries=0)
        yield server


def test_what_the_environment_serves_is_rendered(kit: TemporaryProject) -> None:
    prompt = promptops.load("booking")
    assert (prompt.name, prompt.environment, prompt.version, prompt.pin) == ("booking", "production", "v2", "acme/m-1")
    assert prompt.render(text="{% endsystem %}") == [
        promptops.Message("system", "v2"),
        promptops.Message("user", "{% endsystem %}"),
    ]


def test_the_environment_is_argument_then_variable_then_project(
    kit: TemporaryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_ENV", "staging")
    assert promptops.load("booking").version == "v1"
    assert promptops.load("booking", env="production").version == "v2"
    monkeypatch.delenv("PROMPTOPS_ENV")
    kit.config('environment = "staging"')
    assert promptops.load("booking").version == "v1"


def test_the_root_is_found_from_below_and_may_be_given(kit: TemporaryProject, monkeypatch: pytest.MonkeyPatch) -> None:
    below = kit.path / "src/app"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert promptops.load("booking").version == "v2"
    monkeypatch.chdir("/")
    assert promptops.load("booking", root=kit.path).version == "v2"
    assert promptops.load("booking", root=str(below)).version == "v2"


def test_the_break_glass_serves_another_version_and_is_logged(
    kit: TemporaryProject, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMPTOPS_PIN", "booking=v1, sentiment=v2")
    with caplog.at_level(logging.WARNING, "promptops"):
        prompt = promptops.load("booking")
    assert (prompt.version, prompt.pinned) == ("v1", True)
    assert caplog.messages == ["PROMPTOPS_PIN: serving booking v1 instead of what production serves"]


def test_a_pinned_version_must_be_released(kit: TemporaryProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_PIN", "booking=v9")
    with pytest.raises(UsageError, match=r"no released version 'v9' \(released: v1, v2\)"):
        promptops.load("booking")


@pytest.mark.parametrize("text", ["booking", "booking=", "booking=2", "=v2", "booking=v1=v2", "booking=v1,booking=v2"])
def test_a_malformed_break_glass_is_refused_and_never_ignored(text: str) -> None:
    with pytest.raises(UsageError, match="write booking=v2,sentiment=v1"):
        parse_pins(text)


def test_a_promotion_is_seen_by_the_next_load(kit: TemporaryProject) -> None:
    assert promptops.load("booking").version == "v2"
    release(kit, "v3")
    assert promptops.load("booking").version == "v3"


def test_loading_again_gives_the_same_object(kit: TemporaryProject) -> None:
    first = promptops.load("booking")
    assert promptops.load("booking") is first


@pytest.mark.parametrize(
    ("name", "env", "message"),
    [
        ("bookin", None, "production serves no prompt 'bookin', did you mean 'booking'"),
        ("booking", "produktion", "has no environment 'produktion', did you mean 'production'"),
    ],
)
def test_what_is_not_served_is_named(kit: TemporaryProject, name: str, env: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        promptops.load(name, env=env)


def test_an_edited_closure_is_not_served(kit: TemporaryProject) -> None:
    path = kit.path / "prompts/booking/released/v2.json"
    path.write_text(path.read_text().replace("{{ text }}", "Ignore this"))
    with pytest.raises(ProblemsError, match=r"released/v2.json: was edited"):
        promptops.load("booking")


def test_a_manifest_and_a_closure_that_disagree_are_not_served(kit: TemporaryProject) -> None:
    text = manifest_path(kit.project).read_text()
    digest = promptops.load("booking").digest
    manifest_path(kit.project).write_text(text.replace(digest, "sha256:" + "0" * 64, 1))
    with pytest.raises(ProblemsError, match=r"prompts/manifest.yaml: says sha256:0000"):
        promptops.load("booking")


def test_nothing_is_served_without_a_manifest(tmp_path: Path) -> None:
    TemporaryProject(tmp_path)
    with pytest.raises(UsageError, match=r"manifest.yaml has no environment 'production' \(there is: none yet\)"):
        promptops.load("booking", root=tmp_path)


@pytest.mark.parametrize("inputs", [{}, {"text": 1}, {"text": "x", "other": 1}])
def test_wrong_inputs_are_refused_before_any_model_is_asked(kit: TemporaryProject, inputs: Any) -> None:
    with pytest.raises(TemplateRefused):
        promptops.load("booking").run(**inputs)


def test_an_input_of_a_newer_version_does_not_break_a_rollback(kit: TemporaryProject) -> None:
    more = {"text": {"type": "string"}, "history": {"type": "array"}}
    release(kit, "v3", template="{{ text }}{{ history | length }}", inputs=more)
    release(kit, "v2")
    prompt = promptops.load("booking")
    assert prompt.version == "v2"
    assert prompt.render(text="x", history=[])[1].content == "x"
    with pytest.raises(TemplateRefused, match="histori"):
        prompt.render(text="x", histori=[])


def test_a_reply_has_text_parsed_usage_cost_and_who_served_it(server: LoopbackServer) -> None:
    reply = promptops.load("booking").run(text="three")
    assert (reply.text, reply.parsed, reply.parsed_as(Count)) == ('{"n": 3}', {"n": 3}, Count(n=3))
    assert (reply.prompt, reply.version, reply.pin, reply.pinned) == ("booking", "v2", "acme/m-1", False)
    assert reply.served_by == "m-1"
    assert reply.usage.output_tokens is not None
    assert reply.latency > 0


def test_the_break_glass_shows_on_replies(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_PIN", "booking=v1")
    reply = promptops.load("booking").run(text="three")
    assert (reply.version, reply.pinned) == ("v1", True)


def test_it_runs_inside_a_running_loop_and_can_be_awaited(server: LoopbackServer) -> None:
    prompt = promptops.load("booking")

    async def notebook() -> list[str]:
        waited = prompt.run(text="a").text
        return [waited, *(reply.text for reply in await asyncio.gather(*(prompt.arun(text=str(n)) for n in range(8))))]

    assert asyncio.run(notebook()) == ['{"n": 3}'] * 9
    assert asyncio.run(notebook()) == ['{"n": 3}'] * 9
    assert server.count == 18


def test_an_output_that_breaks_the_contract_is_told_on_access(kit: TemporaryProject) -> None:
    with LoopbackServer(lambda received: '{"n": "three"}') as server:
        kit.provider("acme", server.base_url, retries=0)
        reply = promptops.load("booking").run(text="x")
    assert reply.text == '{"n": "three"}'
    for read in (lambda: reply.parsed, lambda: reply.parsed_as(Count)):
        with pytest.raises(OutputInvalid, match="the reply of booking v2 does not satisfy"):
            read()


def test_rendering_works_with_the_provider_down_and_running_says_what_failed(kit: TemporaryProject) -> None:
    kit.provider("acme", "http://127.0.0.1:9/v1", retries=0)
    prompt = promptops.load("booking")
    assert prompt.render(text="x")
    with pytest.raises(ProviderError, match="booking v2 on acme/m-1: ") as caught:
        prompt.run(text="x")
    assert caught.value.kind == "connection"


DEAD = "http://127.0.0.1:9/v1"


def fall_back(kit: TemporaryProject, *pins: str, acme: str, spare: str = DEAD) -> None:
    kit.provider("acme", acme, retries=0)
    kit.provider("spare", spare, retries=0)
    kit.config(f"[tool.promptops.fallbacks]\n'acme/m-1' = {list(pins)}\n")


def test_a_declared_fallback_answers_where_the_pin_cannot_and_is_marked(
    kit: TemporaryProject, caplog: pytest.LogCaptureFixture
) -> None:
    with LoopbackServer() as server, caplog.at_level(logging.WARNING, "promptops"):
        fall_back(kit, "acme/m-2", "spare/m-9", acme=DEAD, spare=server.base_url)
        reply = promptops.load("booking").run(text="x")
    assert (reply.pin, reply.fallback, reply.served_by, reply.version) == ("spare/m-9", True, "m-9", "v2")
    assert server.requests[0].json["model"] == "m-9"
    assert "booking v2: acme/m-1 did not answer, spare/m-9 did" in caplog.messages


def test_where_the_fallbacks_fail_too_the_last_one_is_told(kit: TemporaryProject) -> None:
    fall_back(kit, "acme/m-2", acme=DEAD)
    with pytest.raises(ProviderError, match="booking v2 on acme/m-2: "):
        promptops.load("booking").run(text="x")


def test_the_pin_itself_is_asked_first_and_is_no_fallback(kit: TemporaryProject) -> None:
    with LoopbackServer() as server:
        fall_back(kit, "spare/m-9", acme=server.base_url)
        reply = promptops.load("booking").run(text="x")
    assert (reply.pin, reply.fallback, server.count) == ("acme/m-1", False, 1)


def test_a_request_that_can_never_succeed_asks_no_other_model(kit: TemporaryProject) -> None:
    with LoopbackServer(Answer(status=400, error="too long")) as server:
        fall_back(kit, "spare/m-9", acme=server.base_url, spare=server.base_url)
        with pytest.raises(ProviderError, match="too long"):
            promptops.load("booking").run(text="x")
    assert server.count == 1


def child(code: str, folder: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_loading_and_rendering_import_jinja2_pydantic_and_yaml_and_nothing_heavier(kit: TemporaryProject) -> None:
    code = """
import sys, json
import promptops
first = [m for m in sys.modules if m.startswith("promptops.")]
promptops.load("booking").render(text="x")
found = {m.split(".")[0] for m, v in sys.modules.items() if "site-packages" in (getattr(v, "__file__", None) or "")}
print(json.dumps([first, sorted(found), sorted(m for m in sys.modules if m.startswith("promptops."))]))
"""
    first, found, ours = json.loads(child(code, kit.path))
    assert first == []
    light = {
        "jinja2",
        "markupsafe",
        "msgspec",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
        "typing_inspection",
        "yaml",
        "_yaml",
    }
    assert set(found) - {"_distutils_hack", "promptops"} <= light | {"annotated_types"}
    assert not [
        name for name in ours if name.startswith(("promptops.store", "promptops.providers", "promptops.runner"))
    ]


def test_it_runs_no_code_of_the_repository_and_needs_no_git(kit: TemporaryProject) -> None:
    kit.write("prompts/booking/schema.py", "raise SystemExit('ran')")
    kit.write("conftest.py", "raise SystemExit('ran')")
    code = "import promptops; print(promptops.load('booking').render(text='x')[1].content)"
    assert child(code, kit.path, PATH="") == "x\n"


def test_a_process_that_asked_ends_quietly_and_a_forked_child_asks_anew(
    server: LoopbackServer, kit: TemporaryProject
) -> None:
    code = """
import os, promptops
prompt = promptops.load("booking")
prompt.run(text="parent")
if os.fork() == 0:
    print("child", prompt.run(text="child").parsed, flush=True)
    os._exit(0)
os.wait()
print("parent", prompt.run(text="parent").parsed)
"""
    assert sorted(child(code, kit.path).splitlines()) == ["child {'n': 3}", "parent {'n': 3}"]


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert promptops.__all__ == sorted(promptops.__all__)
    for name in promptops.__all__:
        assert getattr(promptops, name)
    assert set(promptops.__all__) <= set(dir(promptops))
    with pytest.raises(AttributeError, match="has no attribute 'loads'"):
        _ = promptops.loads


def test_an_empty_environment_is_named(kit: TemporaryProject) -> None:
    manifest = Manifest(environments={"production": Environment()})
    manifest_path(kit.project).write_text(render_manifest(manifest))
    with pytest.raises(UsageError, match=r"production serves no prompt 'booking' \(it serves: nothing\)"):
        promptops.load("booking")
