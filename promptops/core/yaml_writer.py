"""Writing YAML that every reader, old or new, reads back as the same value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from promptops.models import Json

# Plain only where no YAML reader, old or new, can read anything but this text.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*\Z")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])


def dump_yaml(value: Json) -> str:
    """Write `value` as block YAML: mappings in their own order, two spaces, one newline at the end.

    Text is quoted wherever a YAML 1.1 or 1.2 reader could take it for something else. `parse_yaml` reads back an
    equal value.
    """
    lines: list[str] = []
    _write(value, "", lines)
    return "\n".join(lines) + "\n"


def _write(value: Json, indent: str, lines: list[str]) -> None:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            _write_item(f"{indent}{_quoted(key)}:", item, indent + "  ", lines)
    elif isinstance(value, (list, tuple)) and value:
        for item in value:
            _write_item(f"{indent}-", item, indent + "  ", lines)
    else:
        lines.append(indent + _flat(value))


def _write_item(head: str, item: Json, indent: str, lines: list[str]) -> None:
    if isinstance(item, (Mapping, list, tuple)) and item:
        lines.append(head)
        _write(item, indent, lines)
    else:
        lines.append(f"{head} {_flat(item)}")


def _flat(value: Json) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value)


def _float(value: float) -> str:
    """`1e+16` is text to a YAML 1.1 reader, `1.0e+16` is a number to all."""
    text = json.dumps(value, allow_nan=False)
    return text if "." in text else text.replace("e", ".0e")


def _quoted(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter == "\n":
        return "\\n"
    if letter == "\t":
        return "\\t"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
