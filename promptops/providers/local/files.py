"""The cache folder, and the proof that a model file in it is the one that the catalog names."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from promptops.errors import ModelFileError
from promptops.providers.local.catalog import LocalModel

CHUNK = 1 << 20  # bytes


def cache_dir(environ: Mapping[str, str]) -> Path:
    """`$PROMPTOPS_CACHE_DIR`, else the user's cache folder of the platform."""
    if chosen := environ.get("PROMPTOPS_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("promptops"))


def model_file(model: LocalModel, cache: Path) -> Path:
    """Where the file of `model` is kept, whether it is there or not."""
    return cache / "models" / model.file_name


def is_pulled(model: LocalModel, cache: Path) -> bool:
    """Whether the file is there with the right size; only `verified` reads it."""
    try:
        return model_file(model, cache).stat().st_size == model.size
    except OSError:
        return False


def verified(model: LocalModel, cache: Path) -> Path:
    """Return the file of `model`, after checking its sha256.

    Reading the file takes about 0.1 s for 100 MB, so the result is kept beside the file and believed as long as size,
    modification time and inode stay the same. Raises `ModelFileError` for a file that is missing or another one.
    """
    path = model_file(model, cache)
    try:
        stamp = _stamp(path)
    except FileNotFoundError:
        raise ModelFileError(
            f"{model.pin} is not on this machine (looked for {path}): run `promptops models pull {model.name}`"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error
    if _known_stamp(path) == [*stamp, model.sha256]:
        return path
    with path.open("rb") as file:
        found = copy_hashed(file, None)
    if found != model.sha256:
        raise ModelFileError(
            f"{path} is not {model.pin}: its sha256 begins with {found[:12]}, its size is {stamp[0]:,} bytes. "
            f"Run `promptops models pull {model.name} --force` to replace it"
        )
    _keep_stamp(path, [*stamp, model.sha256])
    return path


def copy_hashed(source: IO[bytes], target: IO[bytes] | None, *, progress: Callable[[int], None] | None = None) -> str:
    """Copy `source` to `target` (None: only read it) and return the sha256 in hex; `progress` gets bytes so far."""
    digest, done = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        done += len(chunk)
        if target is not None:
            target.write(chunk)
        if progress is not None:
            progress(done)
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _stamp_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _known_stamp(path: Path) -> object:
    try:
        return json.loads(_stamp_file(path).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _keep_stamp(path: Path, stamp: list[int | str]) -> None:
    """Best effort: a read-only cache is checked again each time."""
    target = _stamp_file(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(stamp), "ascii")
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
