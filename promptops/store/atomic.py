"""Whole files or none: atomic writes, and a lock that other processes respect.

A reader sees the old file or the new one, whatever happens in between. A writer that is killed leaves at most one
`.promptops-*.tmp` beside the file, which the next writer in that folder sweeps away.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from promptops.errors import StoreError

if sys.platform != "win32":  # there writes stay atomic, but two writers are not kept apart
    import fcntl

_TEMPORARY = ".promptops-"
_STALE_AFTER = 60.0  # seconds; a younger temporary file may belong to a writer that has not locked it yet
_NO_LOCK_ON_FOLDERS = {errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES}


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` as UTF-8 with the line ends as they are; its folder is made where it is missing.

    Half characters (unpaired surrogates), which UTF-8 cannot hold, become `?`.

    Raises `StoreError` where the folder cannot be written, the disk is full or `path` is a link or a folder.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: written beside it, synced to disk, renamed over it. Permissions are kept.

    Raises `StoreError` as `write_text` does.
    """
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """`write_bytes` for what is too large to be held: the parts follow each other. What they raise passes."""
    if os.path.islink(path):  # noqa: PTH114 - says no, and does not raise, for a name that is too long
        raise StoreError(
            f"{path} is a symbolic link: promptops only writes files of its own; replace the link by a file"
        )
    temporary = path.parent / f"{_TEMPORARY}{secrets.token_hex(6)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        try:
            _fill(temporary, parts, mode=_mode_of(path))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextlib.contextmanager
def locked(path: Path, *, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock of the folder that `path` is in, against other processes and threads; not re-entrant.

    The folder itself is locked, so no lock file is left in a git tree. The lock of a killed process is free at once.
    Raises `StoreError` when it is not free within `timeout` seconds.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = _lock_descriptor(path)
    try:
        _acquire(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> StoreError:
    """Word an `OSError` as what happened to `path` and what to do about it."""
    advice = {
        errno.ENOSPC: "the disk is full: free some space and run this again",
        errno.EDQUOT: "the disk quota is used up: free some space and run this again",
        errno.EACCES: "permission denied: make the folder writable",
        errno.EPERM: "permission denied: make the folder writable",
        errno.EROFS: "the file system is read-only",
        errno.ENAMETOOLONG: "the file name is too long for this file system",
        errno.EISDIR: "there is a folder of that name",
        errno.ENOTDIR: "a part of the path is a file",
        errno.EEXIST: "a part of the path is a file",
    }.get(error.errno or 0, error.strerror or str(error))
    return StoreError(f"{path} cannot be written: {advice}; what was there is unchanged")


def _fill(temporary: Path, parts: Iterable[bytes], *, mode: int | None) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        if sys.platform != "win32":  # held until close: says that the writer lives, see _sweep
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if mode is not None:
            temporary.chmod(mode)
        file.writelines(parts)
        file.flush()
        os.fsync(descriptor)


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; some file systems cannot, which costs no atomicity."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove temporary files of writers that were killed: old, and locked by nobody."""
    if sys.platform == "win32":
        return
    for leftover in folder.glob(f"{_TEMPORARY}*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime < _STALE_AFTER:
                continue
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


def _lock_descriptor(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return descriptor
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_LOCK_ON_FOLDERS:
            raise cannot_write(path, error) from error
        return _lock_file_elsewhere(path)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return descriptor


def _lock_file_elsewhere(path: Path) -> int:
    """For file systems that cannot lock a folder (NFS wants a file opened for writing)."""
    name = hashlib.sha256(os.fsencode(path.parent.resolve())).hexdigest()[:24]
    lock = Path(tempfile.gettempdir()) / f"promptops-{os.getuid()}-{name}.lock"
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise cannot_write(lock, error) from error


def _acquire(descriptor: int, path: Path, timeout: float) -> None:
    deadline, pause = time.monotonic() + timeout, 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"{path.parent} is being written by another promptops process for more than {timeout:g} s: "
                    "wait for it to end and run this again"
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        else:
            return
