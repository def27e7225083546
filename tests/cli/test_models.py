from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptops.cli.commands import models
from promptops.cli.main import run
from promptops.providers.local import catalog
from promptops.providers.local.catalog import LocalModel
from promptops.providers.local.files import is_pulled
from promptops.providers.local.pull import Progress
from tests.providers.local.kit import tiny_model, write_wheel


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalModel:
    """The catalog holds one tiny model, the cache folder is empty."""
    model = tiny_model()
    monkeypatch.setattr(models, "CATALOG", (model,))
    monkeypatch.setattr(catalog.find_model, "__kwdefaults__", {"catalog": (model,)})
    monkeypatch.setenv("PROMPTOPS_CACHE_DIR", str(tmp_path / "cache"))
    return model


def test_list_says_which_pin_to_write_and_how_to_get_the_model(
    tiny: LocalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "list"]) == 0
    assert capsys.readouterr().out == (
        f"{tiny.pin}  0 MB, Apache-2.0\n    a test\n    not pulled: promptops models pull tiny\n"
    )


def test_pull_brings_the_model_and_a_second_one_does_nothing(
    tiny: LocalModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = write_wheel(tmp_path / "tiny.whl", tiny)
    assert run(["models", "pull", "tiny", "--from", str(wheel)]) == 0
    first = capsys.readouterr()
    assert "tiny: unpacking 0 of 0 MB (100 %)" in first.err
    assert f"{tiny.pin} is ready" in first.out
    assert is_pulled(tiny, tmp_path / "cache")
    assert run(["models", "pull", str(tiny.pin)]) == 0
    assert f"{tiny.pin} is already there" in capsys.readouterr().out


def test_json_is_one_document_on_standard_output(
    tiny: LocalModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = write_wheel(tmp_path / "tiny.whl", tiny)
    assert run(["models", "pull", "tiny", "--from", str(wheel), "--json"]) == 0
    pulled = json.loads(capsys.readouterr().out)
    assert (pulled["pin"], pulled["fetched"]) == (str(tiny.pin), True)
    assert run(["models", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["pulled"] is True
    assert Path(row["path"]) == Path(pulled["path"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pull", "tinny"], "no local model is called 'tinny', did you mean 'tiny'?"),
        (["pull", "tiny", "--from", "no/such/file"], "there is no file no/such/file"),
        (["pull", "tiny@000000000000"], "names another file"),
        (["pull"], "Missing argument"),
    ],
)
def test_what_cannot_be_pulled_is_a_usage_error(
    tiny: LocalModel, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["models", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_progress_off_a_terminal_is_a_line_a_step_and_one_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    meter = models.Meter("tiny")
    for progress in (
        Progress("waiting", 0, 100_000_000),
        *[Progress("downloading", done, 100_000_000) for done in (0, 5, 100_000_000, 100_000_000)],
        Progress("unpacking", 50_000_000, 100_000_000),
    ):
        meter(progress)
    assert capsys.readouterr().err.splitlines() == [
        "tiny: waiting for another process that pulls it",
        "tiny: downloading 0 of 100 MB (0 %)",
        "tiny: downloading 100 of 100 MB (100 %)",
        "tiny: unpacking 50 of 100 MB (50 %)",
    ]
