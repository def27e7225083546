"""What may stand in a template, found before anything runs: an allow-list of syntax, each refusal with its line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

from jinja2 import nodes

from promptops.core.template.attachments import is_attachment
from promptops.core.template.filters import FILTER_HINTS, FILTERS, FUNCTIONS, METHOD_NAMES, TESTS
from promptops.core.template.limits import MAX_BITS
from promptops.core.template.roles import ROLES_FROM_DATA, is_role_block, tag_of
from promptops.errors import did_you_mean

Found = tuple[int, str, str]  # encoded line, message, hint

_STATEMENTS: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock,
    nodes.FilterBlock, nodes.With, nodes.Assign, nodes.AssignBlock, nodes.Include, nodes.FromImport,
)  # fmt: skip
_EXPRESSIONS: Final = (
    nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword,
    nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr,
)  # fmt: skip
_ALLOWED: Final = _STATEMENTS + _EXPRESSIONS

_REFUSED: Final[dict[str, tuple[str, str]]] = {
    "Extends": ("extends is not supported", "include the shared parts, or import macros from them"),
    "Block": ("block is not supported", "include the shared parts, or import macros from them"),
    "Import": ("import is not supported", 'write {% from "…" import name %}'),
    "ScopedEvalContextModifier": ("autoescape is not supported", "output is text, not HTML"),
}


def check(template: nodes.Template) -> Iterator[Found]:
    """Yield everything in one parsed file that templates may not contain."""
    yield from _nodes(template)


def has_roles(template: nodes.Node) -> bool:
    """Whether a role tag stands anywhere in it."""
    return any(is_role_block(block) for block in template.find_all(nodes.CallBlock))


def _nodes(node: nodes.Node) -> Iterator[Found]:
    kind = type(node).__name__
    if not isinstance(node, _ALLOWED):
        message, hint = _REFUSED.get(kind, (f"{kind} is not supported in prompts", ""))
        yield node.lineno, message, hint
        return
    if is_attachment(node):
        for child in getattr(node, "args", ()):
            yield from _nodes(child)
        return
    if rule := _RULES.get(kind):
        yield from rule(node)
    if isinstance(node, nodes.CallBlock) and is_role_block(node):
        yield from _role(node)
        children: Iterator[nodes.Node] = iter([tag_of(node)[1], node.call.args[2], *node.body])
    else:
        children = node.iter_child_nodes()
    for child in children:
        yield from _nodes(child)


def _underscore(line: int, name: str) -> Iterator[Found]:
    if name.startswith("_") or "._" in name:
        yield line, f"{name!r} begins with an underscore: this is refused", "prompts see plain data only"


def _name(node: nodes.Name) -> Iterator[Found]:
    if node.name != "_":
        yield from _underscore(node.lineno, node.name)
    if node.name in ("self", "super"):
        yield node.lineno, f"{node.name!r} is refused: prompts see plain data only", ""
    if node.name in FUNCTIONS and node.ctx != "load":
        yield node.lineno, f"{node.name!r} is a function and cannot be a variable", "choose another name"
    if unicodedata.normalize("NFKC", node.name) != node.name:
        yield node.lineno, f"the name {node.name!r} is written in look-alike characters", "use plain letters"


def _const(node: nodes.Const) -> Iterator[Found]:
    value = node.value
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        yield node.lineno, f"a whole number of more than {MAX_BITS} bits is refused", ""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        yield node.lineno, "a number that is not finite is refused", ""


def _getattr(node: nodes.Getattr) -> Iterator[Found]:
    yield from _underscore(node.lineno, node.attr)


def _nsref(node: nodes.NSRef) -> Iterator[Found]:
    yield from _underscore(node.lineno, node.attr)
    yield from _underscore(node.lineno, node.name)


def _getitem(node: nodes.Getitem) -> Iterator[Found]:
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) and node.arg.value.startswith("_"):
        yield from _underscore(node.lineno, node.arg.value)


def _keyword(node: nodes.Keyword) -> Iterator[Found]:
    yield from _underscore(node.lineno, node.key)


def _filter(node: nodes.Filter) -> Iterator[Found]:
    if node.name not in FILTERS:
        hint = FILTER_HINTS.get(node.name, "known filters: " + ", ".join(sorted(FILTERS)))
        yield node.lineno, f"unknown filter {node.name!r}{did_you_mean(node.name, FILTERS)}", hint
    for keyword in node.kwargs:
        if keyword.key == "attribute" and isinstance(keyword.value, nodes.Const):
            yield from _underscore(node.lineno, str(keyword.value.value))
    if node.name in ("selectattr", "rejectattr") and node.args and isinstance(node.args[0], nodes.Const):
        yield from _underscore(node.lineno, str(node.args[0].value))
    if node.name in ("map", "select", "reject") and node.args and isinstance(node.args[0], nodes.Const):
        known = FILTERS if node.name == "map" else TESTS
        name = str(node.args[0].value)
        if name not in known:
            hint = FILTER_HINTS.get(name, "known: " + ", ".join(sorted(known)))
            yield node.lineno, f"unknown name {name!r} for {node.name}{did_you_mean(name, known)}", hint


def _test(node: nodes.Test) -> Iterator[Found]:
    if node.name not in TESTS:
        hint = "known tests: " + ", ".join(sorted(TESTS))
        yield node.lineno, f"unknown test {node.name!r}{did_you_mean(node.name, TESTS)}", hint


def _call(node: nodes.Call) -> Iterator[Found]:
    target = node.node
    if isinstance(target, nodes.Getattr):
        if not target.attr.startswith("_") and target.attr not in METHOD_NAMES:
            hint = "known methods: " + ", ".join(sorted(METHOD_NAMES))
            yield node.lineno, f"unknown method {target.attr!r}{did_you_mean(target.attr, METHOD_NAMES)}", hint
    elif not isinstance(target, nodes.Name):
        yield node.lineno, "only a function, a macro or a method can be called", ""


def _callblock(node: nodes.CallBlock) -> Iterator[Found]:
    if not is_role_block(node) and not isinstance(node.call.node, nodes.Name):
        yield node.lineno, "{% call %} needs the name of a macro", ""


def _macro(node: nodes.Macro) -> Iterator[Found]:
    yield from _underscore(node.lineno, node.name)
    if node.name in FUNCTIONS:
        yield node.lineno, f"{node.name!r} is a function and cannot be a macro", "choose another name"


def _include(node: nodes.Include) -> Iterator[Found]:
    if not (isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)):
        yield node.lineno, "include needs a name in quotes", "what is included must be known before anything runs"
    elif node.ignore_missing:
        yield node.lineno, "ignore missing is not supported", "what is included must be there"
    elif not node.with_context:
        yield node.lineno, "without context is not supported", "an include sees the variables around it"


def _from_import(node: nodes.FromImport) -> Iterator[Found]:
    if not (isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)):
        yield node.lineno, "from … import needs a name in quotes", "what is imported must be known before anything runs"
    for name in node.names:
        for part in (name,) if isinstance(name, str) else name:
            yield from _underscore(node.lineno, part)


def _role(node: nodes.CallBlock) -> Iterator[Found]:
    tag, role = tag_of(node)
    if tag == "message" and isinstance(role, nodes.Const) and role.value not in ROLES_FROM_DATA:
        hint = "write {% system %} for a system message" if role.value == "system" else ""
        yield node.lineno, f"message cannot be {role.value!r} (only {', '.join(ROLES_FROM_DATA)})", hint


_RULES: Final[dict[str, Callable[..., Iterator[Found]]]] = {
    "Name": _name,
    "Const": _const,
    "Getattr": _getattr,
    "NSRef": _nsref,
    "Getitem": _getitem,
    "Keyword": _keyword,
    "Filter": _filter,
    "Test": _test,
    "Call": _call,
    "CallBlock": _callblock,
    "Macro": _macro,
    "Include": _include,
    "FromImport": _from_import,
}


# --- where roles and text may stand -----------------------------------------------------------------------------------


def structure(template: nodes.Template) -> Iterator[Found]:
    """Yield where a whole template with role tags, includes inlined, has text or roles in the wrong place."""
    yield from _outside(template.body)


def _outside(body: list[nodes.Node]) -> Iterator[Found]:
    """Between role tags stands nothing but white space, control tags and macro calls."""
    for node in body:
        if isinstance(node, nodes.Output):
            yield from _stray(node)
        elif isinstance(node, nodes.CallBlock) and is_role_block(node):
            yield from _inside(node.body, tag_of(node)[0])
        elif isinstance(node, (nodes.AssignBlock, nodes.FilterBlock)):
            yield from _inside(node.body, "set" if isinstance(node, nodes.AssignBlock) else "filter")
        elif isinstance(node, (nodes.Macro, nodes.CallBlock)):
            if has_roles(node):  # else its text goes where it is called
                yield from _outside(node.body)
        elif isinstance(node, (nodes.For, nodes.If, nodes.With, nodes.Scope)):
            yield from _outside(node.body)
            yield from _outside([*getattr(node, "elif_", []), *(getattr(node, "else_", None) or [])])


def _stray(output: nodes.Output) -> Iterator[Found]:
    hint = "put it between role tags such as {% user %} and {% enduser %}"
    for item in output.nodes:
        if isinstance(item, nodes.TemplateData):
            if text := item.data.strip():
                line = item.lineno + item.data[: item.data.index(text[0])].count("\n")
                yield line, f"text outside of a message: {text.splitlines()[0][:40]!r}", hint
        elif not (isinstance(item, nodes.Call) and isinstance(item.node, nodes.Name)):
            yield item.lineno, "a value outside of a message", hint


def _inside(body: list[nodes.Node], where: str) -> Iterator[Found]:
    for node in body:
        for block in [node, *node.find_all(nodes.CallBlock)]:
            if is_role_block(block):
                yield (
                    block.lineno,
                    f"a message begins inside {{% {where} %}}",
                    f"close it with {{% end{where} %}} first",
                )
