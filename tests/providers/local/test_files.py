from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import pytest

from promptops.errors import ModelFileError
from promptops.providers.local import files
from promptops.providers.local.files import cache_dir, is_pulled, verified
from tests.providers.local.kit import WEIGHTS, put_file, tiny_model


def test_the_cache_folder_is_the_users_unless_one_is_named(tmp_path: Path) -> None:
    assert cache_dir({"PROMPTOPS_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_dir({}).name == "promptops"
    assert cache_dir({"PROMPTOPS_CACHE_DIR": ""}) == cache_dir({})


def test_a_missing_file_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    assert not is_pulled(tiny_model(), tmp_path)
    with pytest.raises(ModelFileError, match="run `promptops models pull tiny`"):
        verified(tiny_model(), tmp_path)


def test_another_file_under_the_same_name_is_refused(tmp_path: Path) -> None:
    put_file(tiny_model(), tmp_path, WEIGHTS[:-1] + b"!")
    assert is_pulled(tiny_model(), tmp_path)  # the size alone proves nothing
    with pytest.raises(ModelFileError, match=r"is not local/tiny@.* --force"):
        verified(tiny_model(), tmp_path)


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    path = put_file(model, tmp_path)
    reads: list[object] = []
    copy = files.copy_hashed

    def counted(source: IO[bytes], target: IO[bytes] | None) -> str:
        reads.append(source)
        return copy(source, target)

    monkeypatch.setattr(files, "copy_hashed", counted)
    assert verified(model, tmp_path) == verified(model, tmp_path) == path
    assert len(reads) == 1
    path.write_bytes(WEIGHTS[:-1] + b"!")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelFileError):
        verified(model, tmp_path)
    assert len(reads) == 2


@pytest.mark.parametrize("stamp", ["", "[]", "{}", "not json", "[1, 2, 3, 4]"])
def test_a_damaged_stamp_only_costs_a_read(tmp_path: Path, stamp: str) -> None:
    path = put_file(tiny_model(), tmp_path)
    path.with_name(f"{path.name}.verified").write_text(stamp)
    assert verified(tiny_model(), tmp_path) == path
