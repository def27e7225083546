"""Where the shared limits of a user are kept, and names that give nothing away."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from promptops.errors import StoreError
from promptops.store.atomic import locked

_SALT = "salt"
_SALT_BYTES = 32
_LOCK_SECONDS = 1.0  # once on a machine, when processes that start together all want to make it


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`$PROMPTOPS_LIMITS_DIR`, else `promptops/limits` in the user's state folder of the platform."""
    if chosen := environ.get("PROMPTOPS_LIMITS_DIR"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_state_dir("promptops")) / "limits"


def make_private(folder: Path) -> None:
    """Make `folder`, readable by its owner only; raises `StoreError` where it is not this user's own."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise StoreError(f"{folder} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise StoreError(f"{folder} cannot be used: {error.strerror or error}") from error


def bucket_salt(folder: Path | None = None) -> bytes:
    """Return the random bytes of this user on this machine, which are made at the first call.

    Raises `StoreError` where they can be neither read nor kept.
    """
    path = (folder or default_folder()) / _SALT
    make_private(path.parent)
    try:
        return _read(path) or _make(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror or error}") from error


def fingerprint(key: str, *, salt: bytes) -> str:
    """Return 32 hexadecimal characters that tell keys apart and that nobody without `salt` can try keys against."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=salt, digest_size=16).hexdigest()


def _read(path: Path) -> bytes:
    """The salt; nothing where there is none, or something else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return b""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        salt = file.read(_SALT_BYTES + 1)
    return salt if len(salt) == _SALT_BYTES else b""


def _make(path: Path) -> bytes:
    """Put a salt at `path`, whole or not at all; of several processes the first one's counts."""
    with locked(path, timeout=_LOCK_SECONDS):
        if salt := _read(path):
            return salt
        salt = secrets.token_bytes(_SALT_BYTES)
        temporary = path.with_name(f"{_SALT}-{secrets.token_hex(6)}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(salt)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return salt
