"""Images and files as text, the way bodies of JSON carry them."""

from __future__ import annotations

from base64 import b64encode

from promptops.models import Media


def base64_of(media: Media) -> str:
    """Return the bytes in base64, on one line."""
    return b64encode(media.data).decode("ascii")


def data_url(media: Media) -> str:
    """Return `data:<media type>;base64,<bytes>`."""
    return f"data:{media.media_type};base64,{base64_of(media)}"
