"""Includes and imported macros are put where they are named, so that one template is compiled and checked as a whole.

The line of a node says its file too: file number times `STRIDE` plus line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes

from promptops.core.template.sandbox import Sandbox
from promptops.core.template.static import Found, check
from promptops.errors import did_you_mean

STRIDE: Final = 10_000_000
MAX_FILES: Final = 200  # files of one template, each inclusion counted
MAX_TOKENS: Final = 20_000  # words of Jinja, text between them one each: each costs compiling time


class Inliner:
    """Parses a template and all it includes; problems are collected in `found`, by encoded line."""

    def __init__(self, environment: Sandbox, includes: Mapping[str, str]) -> None:
        self.environment = environment
        self.includes = includes
        self.files: list[str] = []  # names by number; "" is the template itself
        self.found: list[Found] = []
        self.used: set[str] = set()
        self._tokens = 0

    def parse(self, source: str, name: str = "", around: tuple[str, ...] = ()) -> nodes.Template:
        """Return the tree of one file with everything it includes inside."""
        self.files.append(name)
        number = len(self.files) - 1
        try:
            if self._too_long(source):
                message = f"has more than {MAX_TOKENS:,} words of Jinja, includes counted"
                self.found.append((number * STRIDE + 1, message, "move data into the inputs"))
                return nodes.Template([], lineno=1)
            tree = self.environment.parse(source)
        except TemplateSyntaxError as error:
            self.found.append((number * STRIDE + error.lineno, _words(error), _syntax_hint(error)))
            return nodes.Template([], lineno=1)
        for node in (tree, *tree.find_all(nodes.Node)):
            node.lineno = (node.lineno or 1) + number * STRIDE
        self.found += check(tree)
        self._replace(tree, (*around, name))
        return tree

    def _too_long(self, source: str) -> bool:
        room = MAX_TOKENS + 1 - self._tokens
        self._tokens += sum(1 for _ in islice(tokens(self.environment, source), room))
        return self._tokens > MAX_TOKENS

    def _replace(self, node: nodes.Node, around: tuple[str, ...]) -> None:
        for field, value in node.iter_fields():
            if isinstance(value, list):
                replaced: list[Any] = []
                for item in value:
                    replaced += self._replaced(item, around) if isinstance(item, nodes.Node) else [item]
                setattr(node, field, replaced)
            elif isinstance(value, nodes.Node):
                self._replace(value, around)

    def _replaced(self, node: nodes.Node, around: tuple[str, ...]) -> list[nodes.Node]:
        if isinstance(node, (nodes.Include, nodes.FromImport)) and isinstance(node.template, nodes.Const):
            tree = self._file(node, str(node.template.value), around)
            if tree is None:
                return []
            if isinstance(node, nodes.Include):
                return [nodes.Scope(tree.body, lineno=node.lineno)]
            return self._imported(node, tree, str(node.template.value))
        self._replace(node, around)
        return [node]

    def _file(self, node: nodes.Node, name: str, around: tuple[str, ...]) -> nodes.Template | None:
        if name in around:
            chain = " → ".join([*around[around.index(name) :], name])
            self.found.append((node.lineno, f"{name!r} includes itself: {chain}", "break the circle"))
            return None
        if len(self.files) >= MAX_FILES:
            self.found.append((node.lineno, f"includes more than {MAX_FILES} files", "flatten it"))
            return None
        if name not in self.includes:
            message = f"there is no template {name!r}{did_you_mean(name, self.includes)}"
            self.found.append(
                (node.lineno, message, "names are looked for in the prompt's folder and in the prompts folder")
            )
            return None
        self.used.add(name)
        return self.parse(self.includes[name], name, around)

    def _imported(self, node: nodes.FromImport, tree: nodes.Template, file: str) -> list[nodes.Node]:
        """The macros and settings of a file under names of their own, then the wanted ones under theirs."""
        prefix = f"_i{len(self.files)}_"
        kept = [n for n in tree.body if isinstance(n, (nodes.Macro, nodes.Assign, nodes.AssignBlock))]
        defined = set(_defined(kept))
        for statement in kept:
            for part in (statement, *statement.find_all((nodes.Name, nodes.Macro))):
                if isinstance(part, (nodes.Name, nodes.Macro)) and part.name in defined:
                    part.name = prefix + part.name
        bound: list[nodes.Node] = []
        for item in node.names:
            name, alias = (item, item) if isinstance(item, str) else item
            if name not in defined:
                message = f"{file!r} has no macro {name!r}{did_you_mean(name, defined)}"
                self.found.append((node.lineno, message, ""))
                continue
            target, value = nodes.Name(alias, "store"), nodes.Name(prefix + name, "load")
            bound.append(nodes.Assign(target, value))
            for fresh in (bound[-1], target, value):
                fresh.lineno = node.lineno
        return [*kept, *bound]


def _defined(statements: list[Any]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, nodes.Macro):
            yield statement.name
        else:
            targets = [statement.target, *statement.target.find_all(nodes.Name)]
            yield from (name.name for name in targets if isinstance(name, nodes.Name))


def references(environment: Sandbox, source: str) -> list[tuple[str, int]]:
    """Return the names that a template includes or imports from, with their lines; empty if it does not parse."""
    try:
        if sum(1 for _ in islice(tokens(environment, source), MAX_TOKENS + 1)) > MAX_TOKENS:
            return []
        return [
            (node.template.value, node.lineno)
            for node in environment.parse(source).find_all((nodes.Include, nodes.FromImport))
            if isinstance(node, (nodes.Include, nodes.FromImport))
            and isinstance(node.template, nodes.Const)
            and isinstance(node.template.value, str)
        ]
    except (TemplateSyntaxError, RecursionError, ValueError):  # compiling says what is wrong
        return []


def tokens(environment: Sandbox, source: str) -> Iterator[object]:
    """The words of a template, white space left out, read only as far as they are asked for."""
    return (token for token in environment.lexer.tokeniter(source, None) if token[1] != "whitespace")


def _words(error: TemplateSyntaxError) -> str:
    return " ".join((error.message or "is not a Jinja template").split())


def _syntax_hint(error: TemplateSyntaxError) -> str:
    words = error.message or ""
    for tag in ("do", "break", "continue", "trans", "debug"):
        if f"unknown tag '{tag}'" in words:
            return f"{{% {tag} %}} is not available in prompts"
    if "unknown tag" in words:
        return "a role is {% system %}, {% user %}, {% assistant %}, {% tool %} or {% message role %}"
    return ""
