"""How many messages at the beginning of a prompt are the same whatever the inputs: what a provider's cache can keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes

from promptops.core.template.roles import is_role_block, tag_of


def stable_messages(tree: nodes.Template) -> int:
    """Return how many messages of constant text stand before anything that varies, includes already in place.

    Read before the tree is rewritten. A loop, a condition, a variable and an attachment all vary; what only defines
    something is passed over.
    """
    count = 0
    for node in _flat(tree.body):
        if isinstance(node, nodes.CallBlock) and is_role_block(node) and _is_constant(node):
            count += 1
        elif not (_is_text(node) or isinstance(node, nodes.Macro | nodes.Assign | nodes.AssignBlock)):
            break
    return count


def _is_constant(block: nodes.CallBlock) -> bool:
    tag, role = tag_of(block)
    answers = block.call.args[2]
    if tag == "message" and not isinstance(role, nodes.Const):
        return False
    return isinstance(answers, nodes.Const) and all(_is_text(node) for node in _flat(block.body))


def _flat(body: Iterable[nodes.Node]) -> Iterator[nodes.Node]:
    """The statements one after the other, with those of an included file in its place."""
    for node in body:
        if isinstance(node, nodes.Scope):
            yield from _flat(node.body)
        else:
            yield node


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and all(isinstance(child, nodes.TemplateData) for child in node.nodes)
