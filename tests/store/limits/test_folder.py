from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.store.limits.folder import bucket_salt, default_folder, fingerprint


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_in_the_home_folder_unless_the_environment_names_one(tmp_path: Path) -> None:
    assert default_folder({"PROMPTOPS_LIMITS_DIR": str(tmp_path)}) == tmp_path
    assert default_folder({}).is_relative_to(Path.home())
    assert default_folder({}).parts[-2:] == ("promptops", "limits")


def test_the_salt_stays_the_same_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "limits"
    salt = bucket_salt(folder)
    assert len(salt) == 32
    assert bucket_salt(folder) == salt
    assert (mode(folder), mode(folder / "salt")) == (0o700, 0o600)
    assert [file.name for file in folder.iterdir()] == ["salt"]
    assert bucket_salt(tmp_path / "b") != salt


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_salt_is_made_anew(tmp_path: Path, content: bytes) -> None:
    tmp_path.joinpath("salt").write_bytes(content)
    salt = bucket_salt(tmp_path)
    assert len(salt) == 32
    assert salt == bucket_salt(tmp_path) == tmp_path.joinpath("salt").read_bytes()


def test_an_open_folder_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    bucket_salt(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        bucket_salt(tmp_path)


def test_a_link_in_place_of_the_salt_is_not_followed(tmp_path: Path) -> None:
    tmp_path.joinpath("elsewhere").write_bytes(b"k" * 32)
    tmp_path.joinpath("salt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="salt cannot be used"):
        bucket_salt(tmp_path)


def test_a_fingerprint_tells_keys_apart_and_is_worth_nothing_without_the_salt() -> None:
    first = fingerprint("sk-1", salt=b"a" * 32)
    assert first == fingerprint("sk-1", salt=b"a" * 32)
    assert len({first, fingerprint("sk-2", salt=b"a" * 32), fingerprint("sk-1", salt=b"b" * 32)}) == 3
    assert len(first) == 32
