"""Guards put into the tree: a step at the head of loops and macros, sizes at literals and `~`, methods by table."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from promptops.core.template.roles import is_role_block


def rewrite(node: nodes.Node) -> None:
    """Guard everything below `node`, in place."""
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, field, [_guarded(item) for item in value])
        elif isinstance(value, nodes.Node):
            setattr(node, field, _guarded(value))
    if isinstance(node, nodes.For):
        node.body = [_tick(node), *node.body]
        if node.test is not None:
            node.test = nodes.And(_step(node, 0), node.test)
            node.test.lineno = node.lineno
    elif isinstance(node, (nodes.Macro, nodes.CallBlock)):
        node.body = [_tick(node), *node.body]


def _guarded(value: Any) -> Any:
    if not isinstance(value, nodes.Node):
        return value
    rewrite(value)
    line = value.lineno
    if isinstance(value, nodes.Concat):
        return _filter("_concat", *value.nodes, line=line)
    if isinstance(value, nodes.Call) and isinstance(value.node, nodes.Getattr):
        method = _filter("_method", value.node.node, nodes.Const(value.node.attr), *value.args, line=line)
        method.dyn_args, method.dyn_kwargs = value.dyn_args, value.dyn_kwargs
        setattr(method, "kwargs", value.kwargs)  # keywords, as the parser puts them there  # noqa: B010
        return method
    if isinstance(value, (nodes.List, nodes.Dict)) or (isinstance(value, nodes.Tuple) and value.ctx == "load"):
        return _filter("_built", value, line=line)
    return value


def _filter(name: str, first: nodes.Expr, *args: nodes.Expr, line: int) -> nodes.Filter:
    made = nodes.Filter(first, name, list(args), [], None, None, lineno=line)
    for part in (first, *args):
        part.lineno = part.lineno or line
    return made


def _tick(node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
    """One step, and the text that the body writes in any case."""
    size = 0 if is_role_block(node) else sum(len(data.data) for data in node.find_all(nodes.TemplateData))
    return nodes.ExprStmt(_step(node, size), lineno=node.lineno)


def _step(node: nodes.Node, produced: int) -> nodes.Filter:
    return _filter("_tick", nodes.Const(1), nodes.Const(produced), line=node.lineno)
