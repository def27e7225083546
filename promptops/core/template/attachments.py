"""What stands in messages beside text: `{% image EXPR %}`, `{% file EXPR %}`, `{% toolcall NAME, ARGUMENTS, ID %}`.

In the text of a message an image or a file is a number between two halves of surrogate pairs, which no text has: what
an input holds is refused where it has one, so that it cannot stand for an image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from promptops.core.media import MAX_REQUEST, media_in_url
from promptops.core.template.limits import Run, checked, current
from promptops.errors import TemplateRefused
from promptops.models import Media, Role, ToolCall

MAX_ATTACHMENTS: Final = 100  # images, files and calls of one rendering
_MARK: Final = re.compile("(\udcff[0-9]+\udcfe)")
_HALF: Final = re.compile("[\ud800-\udfff]")
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z")


class AttachmentExtension(Extension):
    """Parses the tags; each becomes a call whose value is the mark of what was attached."""

    tags = {"image", "file", "toolcall"}  # noqa: RUF012 - jinja declares it as a plain set

    def parse(self, parser: Parser) -> nodes.Node:
        token = next(parser.stream)
        given = [parser.parse_expression()]
        while len(given) < 3 and parser.stream.skip_if("comma"):
            given.append(parser.parse_expression())
        wanted = 3 if token.value == "toolcall" else 1
        if len(given) != wanted:
            parser.fail(f"{token.value} takes {wanted} values, not {len(given)}", token.lineno)
        call = self.call_method("attach", [nodes.Const(token.value), *given], lineno=token.lineno)
        return nodes.Output([call], lineno=token.lineno)

    def attach(self, kind: str, *given: Any) -> str:
        """Keep one image, file or call; the text in its place is its mark, or empty."""
        run = current.get()
        run.attached += 1
        if run.attached > MAX_ATTACHMENTS:
            raise TemplateRefused(f"attaches more than {MAX_ATTACHMENTS} images, files and calls")
        if kind == "toolcall":
            run.calls.append(_call(*given))
            return ""
        run.media.append(_media(run, kind, given[0]))
        return f"\udcff{len(run.media) - 1}\udcfe"


def is_attachment(node: nodes.Node) -> bool:
    """Whether a node is what such a tag was parsed to."""
    return (
        isinstance(node, nodes.Call) and isinstance(node.node, nodes.ExtensionAttribute) and node.node.name == "attach"
    )


def parts_of(content: str, run: Run) -> tuple[str | Media, ...]:
    """Return text and media in their order; text alone is one part."""
    if not run.media:
        return (content,)
    found: list[str | Media] = []
    for piece in _MARK.split(content):
        if _MARK.fullmatch(piece):
            found.append(run.media[int(piece[1:-1])])
        elif piece.strip():
            found.append(piece.strip("\r\n"))
    return tuple(found)


def check_attachments(role: Role, parts: tuple[str | Media, ...], calls: tuple[ToolCall, ...], answers: Any) -> None:
    """Raise `TemplateRefused` where a message has what one of its role may not have."""
    if role in ("system", "assistant") and any(isinstance(part, Media) for part in parts):
        raise TemplateRefused(f"an image or a file stands in a {role} message: only user and tool messages have them")
    if calls and role != "assistant":
        raise TemplateRefused(f"a call stands in a {role} message: only assistants call tools")
    if answers is not None and (role != "tool" or type(answers) is not str or not _CALL_ID.match(answers)):
        raise TemplateRefused(f"{str(answers)[:40]!r} is no id of a call that a {role} message could answer")


def refuse_halves(values: Any) -> None:
    """Raise `TemplateRefused` where a text in the inputs has half a surrogate pair; `values` are known to be plain."""
    level = [values]
    while level:
        following: list[Any] = []
        for value in level:
            if isinstance(value, str) and _HALF.search(value):
                raise TemplateRefused("an input holds half a surrogate pair, which is not text")
            if isinstance(value, Mapping):
                following += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple):
                following += value
        level = following


def _media(run: Run, kind: str, given: Any) -> Media:
    if isinstance(given, Undefined):
        str(given)  # raises, and names what is missing
    if type(given) is not str or not given:
        raise TemplateRefused(f"{kind} needs the path of a file, or a data URL")
    which: Any = kind
    try:
        if given.startswith("data:"):
            media = media_in_url(which, given)
        elif run.read is None:
            raise ValueError(f"{given[:80]!r}: no files can be read here")
        else:
            media = run.read(which, given)
    except ValueError as error:
        raise TemplateRefused(f"{kind}: {error}") from error
    if sum(len(other.data) for other in run.media) + len(media.data) > MAX_REQUEST:
        raise TemplateRefused(f"attaches more than {MAX_REQUEST // 2**20} MB of images and files")
    return media


def _call(name: Any, arguments: Any, identifier: Any) -> ToolCall:
    for value in (name, arguments, identifier):
        if isinstance(value, Undefined):
            str(value)
    for what, value in (("name", name), ("id", identifier)):
        if type(value) is not str or not _CALL_ID.match(value):
            raise TemplateRefused(
                f"the {what} of a call must be 1 to 64 letters, digits, _ or -, not {str(value)[:40]!r}"
            )
    if type(arguments) is not dict:
        raise TemplateRefused("the arguments of a call must be a mapping")
    return ToolCall(name, checked(arguments), identifier)
