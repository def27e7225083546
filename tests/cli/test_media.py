"""Images of a dataset, from the case to the model and back out of the recordings."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.testing import LoopbackServer, TemporaryProject
from tests.providers.oracles.calls import PNG

TEMPLATE = "---\nmodel: acme/m-1\n---\n{% user %}{% image photo %}What is this?{% enduser %}"


@pytest.fixture
def made(in_folder: Path) -> TemporaryProject:
    kit = TemporaryProject(in_folder)
    kit.prompt("look", versions={"v1": TEMPLATE}, yaml="inputs: {photo: string}\nchecks: [{contains: dot}]\n")
    kit.dataset("look", [{"id": "c1", "inputs": {"photo": "dot.png"}}])
    (in_folder / "fixtures/look/dot.png").write_bytes(PNG)
    kit.git_init()
    return kit


def test_an_image_is_sent_recorded_by_its_bytes_and_found_when_it_changes(
    made: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    image = made.path / "fixtures/look/dot.png"
    with LoopbackServer(lambda asked: "a dot") as server:
        made.provider("acme", server.base_url, retries=0)
        assert run(["run", "look"]) == 0, capsys.readouterr()
        (part, text) = server.requests[0].json["messages"][0]["content"]
    assert part["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert text == {"type": "text", "text": "What is this?"}
    (recording,) = made.path.glob("fixtures/look/recordings/v1/*.jsonl")
    assert base64.b64encode(PNG).decode() not in recording.read_text()
    assert run(["run", "look", "--mode", "replay"]) == 0, capsys.readouterr()
    image.write_bytes(PNG + b"\0")
    capsys.readouterr()
    assert run(["run", "look", "--mode", "replay"]) == 10
    assert "the request changed since" in capsys.readouterr().out
    image.unlink()
    assert run(["run", "look", "--mode", "replay"]) == 10
    assert "'dot.png' is not in fixtures/look or prompts/look" in capsys.readouterr().out


def test_render_shows_an_image_in_words(made: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "look", "--case", "c1"]) == 0
    assert f"  │ [image dot.png: image/png, {len(PNG)} bytes, sha256:" in capsys.readouterr().out
    assert run(["render", "look", "--case", "c1", "--json"]) == 0
    (message,) = json.loads(capsys.readouterr().out)["messages"]
    image, text = message["content"]
    assert (image["type"], image["media_type"], text["text"]) == ("image", "image/png", "What is this?")
    assert run(["render", "look", "--input", "photo=../../pyproject.toml"]) == 2
    assert "is no path inside" in capsys.readouterr().err
