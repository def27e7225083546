"""Text operations whose result could be large: each knows the size of its result before it makes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from promptops.core.template.limits import current, text_of, weigh
from promptops.errors import TemplateRefused

MAX_WIDTH: Final = 1000  # of padding, indentation and format fields

_CONVERSION = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?[-#0 +]*(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?[hlL]?(?P<kind>.)", re.S
)
_KINDS = frozenset("diouxXeEfFgGcrsa%")


def concat(*values: Any) -> str:
    """`a ~ b`, and the buffers of blocks."""
    parts = [text_of(value) for value in values]
    current.get().room_for(sum(map(len, parts)))
    return "".join(parts)


def join(items: Iterable[Any], d: Any = "") -> str:
    """`|join` and `.join()`."""
    glue = text_of(d)
    parts = [text_of(item) for item in items]
    current.get().room_for(sum(map(len, parts)) + len(glue) * max(len(parts) - 1, 0))
    return glue.join(parts)


def replace(value: Any, old: Any, new: Any, count: Any = None) -> str:
    """`|replace` and `.replace()`."""
    text, old, new = text_of(value), text_of(old), text_of(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), whole(count))
    current.get().room_for(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, times)


def indent(value: Any, width: Any = 4, first: object = None, blank: object = None) -> str:
    """`|indent`: `width` is a number of spaces or the text to put before each line."""
    text, prefix = text_of(value), width if isinstance(width, str) else " " * within(width, "an indentation")
    within(len(prefix), "an indentation")
    lines = text.splitlines()
    current.get().room_for(len(text) + (len(lines) + 1) * len(prefix))
    done = [
        line if (not first and not number) or not (line or blank) else prefix + line
        for number, line in enumerate(lines)
    ]
    return "\n".join(done) + ("\n" if text.endswith("\n") else "")


def center(value: Any, width: Any = 80) -> str:
    return text_of(value).center(within(width, "a width"))


def printf(template: Any, values: Any) -> str:
    """`"%s" % value` and `|format`: old-style formatting over plain values, with bounded fields.

    Raises `TemplateRefused` for a width or precision that is large or taken from data.
    """
    text = text_of(template)
    fields = 0
    for match in _CONVERSION.finditer(text):
        if match["kind"] not in _KINDS:
            raise TemplateRefused(f"{match[0]!r} is no conversion of %-formatting")
        for size in (match["width"], match["precision"]):
            if size == "*":
                raise TemplateRefused("a field width must be written out, not taken from a value")
            if size:
                within(int(size[:9]), "a field width")
        if (match["key"] or "").startswith("_"):
            raise TemplateRefused(f"{match['key']!r} begins with an underscore: this is refused")
        fields += 1
    run = current.get()
    run.room_for(len(text) + fields * (MAX_WIDTH if fields < 100 else 0))
    run.room_for(fields * weigh([values]) if type(values) is dict else weigh([values]) + fields * 8)
    done: str = text % values
    run.room_for(len(done))
    return done


def within(size: Any, what: str) -> int:
    """Return `size` as a number from 0 to `MAX_WIDTH`; raises `TemplateRefused` for any other."""
    number = whole(size)
    if not 0 <= number <= MAX_WIDTH:
        raise TemplateRefused(f"{what} of {number:,} is refused (0 to {MAX_WIDTH:,})")
    return number


def whole(value: Any) -> int:
    if type(value) is not int:
        raise TemplateRefused(f"{str(value)[:40]!r} is not a whole number")
    return value
