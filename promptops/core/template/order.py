"""In which order constant text and variables stand in a template: a provider's cache keeps what stands before the first
variable, and nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import nodes
from msgspec import Struct

from promptops.core.template.compile import sandbox
from promptops.core.template.inline import STRIDE, Inliner
from promptops.core.template.roles import is_role_block, tag_of
from promptops.core.tokens import estimate


class LateConstant(Struct, frozen=True):
    """The first variable of a template and what constant text stands around it.

    `line` counts from 1 within the template's own source (of an include: where it is included), `before` and `after`
    are estimated tokens. What stands in a condition or a loop is not counted: whether it is sent depends on variables.
    """

    variable: str
    line: int
    before: int
    after: int


def late_constant(source: str, includes: Mapping[str, str]) -> LateConstant | None:
    """Return what stands behind the first variable of a template; None without a variable, or for a broken template."""
    inliner = Inliner(sandbox(), includes)
    tree = inliner.parse(source)
    if inliner.found:
        return None
    texts: list[list[str]] = [[], []]
    first: nodes.Node | None = None
    last_own = 1
    line = 1
    for node in _in_order(tree):
        if node.lineno < STRIDE:
            last_own = node.lineno
        if isinstance(node, nodes.TemplateData):
            texts[first is not None].append(node.data)
        elif first is None:
            first, line = node, node.lineno if node.lineno < STRIDE else last_own
    if first is None:
        return None
    before, after = (estimate("".join(parts)) for parts in texts)
    return LateConstant(_name(first), line, before, after)


def _in_order(node: nodes.Node) -> Iterator[nodes.Node]:
    """Constant texts, and one node for each place where something varies, in the order in which they are sent."""
    if isinstance(node, nodes.TemplateData):
        yield node
    elif isinstance(node, nodes.Output):
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData) or not isinstance(child, nodes.Const):
                yield child
    elif isinstance(node, (nodes.For, nodes.If)):
        yield node
    elif isinstance(node, nodes.CallBlock) and is_role_block(node):
        tag, role = tag_of(node)
        if tag == "message" and not isinstance(role, nodes.Const):
            yield role
        for inner in node.body:
            yield from _in_order(inner)
    elif not isinstance(node, (nodes.Macro, nodes.Assign, nodes.AssignBlock)):
        for inner in node.iter_child_nodes():
            yield from _in_order(inner)


def _name(node: nodes.Node) -> str:
    """What varies there, in a word: the first name in it."""
    if isinstance(node, nodes.Name):
        return node.name
    target: nodes.Node = node.iter if isinstance(node, nodes.For) else node.test if isinstance(node, nodes.If) else node
    if isinstance(target, nodes.Name):
        return target.name
    found = target.find(nodes.Name)
    return found.name if found is not None else type(node).__name__.lower()
