"""Role tags: `{% system %}…{% endsystem %}`, user, assistant, tool, and `{% message EXPR %}…{% endmessage %}`.

A message is handed over as an object to the `Run` in force, never marked in the text: what a variable holds cannot
open or close one. What stands in messages beside text has tags in `attachments`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from promptops.core.template.attachments import check_attachments, parts_of
from promptops.core.template.limits import MAX_OUTPUT, current
from promptops.errors import TemplateRefused
from promptops.models import Message, Role

ROLES: Final = ("system", "user", "assistant", "tool")
ROLES_FROM_DATA: Final = ("user", "assistant", "tool")


class RoleExtension(Extension):
    """Parses the role tags; each becomes a call that collects what stands between."""

    tags = {*ROLES, "message"}  # noqa: RUF012 - jinja declares it as a plain set

    def parse(self, parser: Parser) -> nodes.Node:
        token = next(parser.stream)
        tag = token.value
        role = parser.parse_expression() if tag == "message" else nodes.Const(tag)
        answers = _call_id(parser, tag)
        body = parser.parse_statements((f"name:end{tag}",), drop_needle=True)
        call = self.call_method("message", [role, nodes.Const(tag == "message"), answers], lineno=token.lineno)
        return nodes.CallBlock(call, [], [], body).set_lineno(token.lineno)

    def message(self, role: Any, from_data: bool, answers: Any, caller: Callable[[], str]) -> str:  # noqa: FBT001
        """Collect one message; the text that remains in its place is empty. `answers` is the id of a tool's call."""
        run = current.get()
        if from_data and (type(role) is not str or role not in ROLES_FROM_DATA):
            allowed = ", ".join(ROLES_FROM_DATA)
            raise TemplateRefused(f"{str(role)[:40]!r} is no role that data may name (only {allowed})")
        if run.open_role is not None:
            raise TemplateRefused(f"a {role} message begins inside a {run.open_role} message")
        run.open_role = role
        try:
            content = caller()
        finally:
            run.open_role = None
        add_message(cast("Role", role), content, answers)
        return ""


def add_message(role: Role, content: str, answers: Any = None) -> None:
    """Keep a message without the line ends around its content; other white space is content."""
    run = current.get()
    parts = parts_of(content.strip("\r\n"), run)
    content = "".join(part for part in parts if isinstance(part, str))
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise TemplateRefused("a message holds half a surrogate pair, which is not text") from error
    calls, run.calls = tuple(run.calls), []
    check_attachments(role, parts, calls, answers)
    media = () if all(isinstance(part, str) for part in parts) else parts
    run.messages.append(Message(role, content, media, calls, answers or ""))
    run.output += len(content)
    if run.output > MAX_OUTPUT:
        raise TemplateRefused(f"makes more than {MAX_OUTPUT:,} characters of messages")


def is_role_block(node: nodes.Node) -> bool:
    """Whether a node is a role tag."""
    return isinstance(node, nodes.CallBlock) and isinstance(node.call.node, nodes.ExtensionAttribute)


def _call_id(parser: Parser, tag: str) -> nodes.Expr:
    """The id of the call that a tool's message answers: `{% tool "call_1" %}`, `{% message turn.role, turn.call %}`."""
    if tag == "message" and parser.stream.skip_if("comma"):
        return parser.parse_expression()
    if tag == "tool" and parser.stream.current.type != "block_end":
        return parser.parse_expression()
    return nodes.Const(None)


def tag_of(node: nodes.CallBlock) -> tuple[str, nodes.Expr]:
    """Return the tag of a role block (`system` … `message`) and the expression of its role."""
    role, from_data, _ = node.call.args
    if isinstance(from_data, nodes.Const) and from_data.value:
        return "message", role
    return str(role.value) if isinstance(role, nodes.Const) else "message", role
