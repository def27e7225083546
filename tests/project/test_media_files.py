"""Images and files are read below the dataset's folder or the prompt's, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.core.media import MAX_MEDIA
from promptops.models import Json
from promptops.project.media_files import media_reader, with_files
from promptops.testing.project import TemporaryProject
from tests.providers.oracles.calls import PDF, PNG


@pytest.fixture
def kit(tmp_path: Path) -> TemporaryProject:
    kit = TemporaryProject(tmp_path)
    for folder in ("fixtures/p/pictures", "prompts/p", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "fixtures/p/pictures/dot.png").write_bytes(PNG)
    (tmp_path / "prompts/p/logo.png").write_bytes(PNG)
    (tmp_path / "elsewhere/secret.png").write_bytes(PNG)
    return kit


def test_a_path_is_below_the_folder_of_the_dataset_or_the_prompt(kit: TemporaryProject) -> None:
    read = media_reader(kit.project, "p")
    assert read("image", "pictures/dot.png").name == "dot.png"
    assert read("image", "logo.png").data == PNG
    other = media_reader(kit.project, "p", kit.project.root / "elsewhere" / "cases.jsonl")
    assert other("image", "secret.png").data == PNG


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../../elsewhere/secret.png", "is no path inside"),
        ("/etc/passwd", "is no path inside"),
        ("a\\b.png", "is no path inside"),
        ("a\0.png", "is no path inside"),
        ("x" * 2000, "is no path inside"),
        ("nowhere.png", "is not in fixtures/p or prompts/p"),
        ("pictures", "is a folder"),
        ("link.png", "leads out of the project"),
        ("large.png", "is larger than"),
    ],
)
def test_anything_else_is_refused(kit: TemporaryProject, tmp_path: Path, path: str, words: str) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    outside.write_bytes(PNG)
    (tmp_path / "fixtures/p/link.png").symlink_to(outside)
    with (tmp_path / "fixtures/p/large.png").open("wb") as file:
        file.truncate(MAX_MEDIA + 1)
    with pytest.raises(ValueError, match=words):
        media_reader(kit.project, "p")("image", path)


def test_a_caller_s_path_may_lead_anywhere_and_a_text_may_not(kit: TemporaryProject, tmp_path: Path) -> None:
    given: dict[str, Json | Path] = {"photo": tmp_path / "elsewhere/secret.png", "text": "secret.png"}
    plain, read = with_files(kit.project, "p", given)
    assert plain == {"photo": "photo/secret.png", "text": "secret.png"}
    assert read("image", str(plain["photo"])).data == PNG
    with pytest.raises(ValueError, match="is not in prompts/p"):
        read("image", "secret.png")
    _, read = with_files(kit.project, "p", {"photo": tmp_path / "gone.png"})
    with pytest.raises(ValueError, match="cannot be read"):
        read("image", "photo/gone.png")


def test_a_file_is_known_by_its_bytes(kit: TemporaryProject, tmp_path: Path) -> None:
    (tmp_path / "fixtures/p/menu.png").write_bytes(PDF)
    with pytest.raises(ValueError, match="is no image"):
        media_reader(kit.project, "p")("image", "menu.png")
