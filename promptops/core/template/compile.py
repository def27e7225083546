"""From source to a template that renders messages."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import jinja2
from jinja2 import meta, nodes

from promptops.core.media import MediaReader
from promptops.core.template.attachments import is_attachment, refuse_halves
from promptops.core.template.inline import STRIDE, Inliner, references
from promptops.core.template.limits import MAX_OUTPUT, MAX_VALUE, Run, current, weigh
from promptops.core.template.rewrite import rewrite
from promptops.core.template.roles import add_message
from promptops.core.template.sandbox import Sandbox
from promptops.core.template.stable import stable_messages
from promptops.core.template.static import Found, has_roles, structure
from promptops.errors import Problem, ProblemsError, TemplateRefused
from promptops.models import Json, Message

_numbers: Final = itertools.count()


class Template:
    """A compiled template.

    `variables` are the names it takes from outside, includes considered; `variable_lines` says where each is used
    first (file and line), `includes` which files went into it. The first `stable` messages are the same for all inputs.
    """

    def __init__(
        self,
        compiled: jinja2.Template,
        sources: _Sources,
        names: Mapping[str, int],
        *,
        roles: bool,
        attaches: bool,
        stable: int = 0,
    ) -> None:
        self._compiled, self._sources, self._roles, self._attaches = compiled, sources, roles, attaches
        compiled.globals = dict(compiled.globals)  # copied for each rendering, and the chain it was is slow at that
        self.variable_lines: Mapping[str, tuple[str, int]] = {name: sources.place(line) for name, line in names.items()}
        self.variables = frozenset(names)
        self.includes = frozenset(sources.used)
        self.stable = stable

    def render(self, inputs: Mapping[str, Json], read: MediaReader | None = None) -> tuple[Message, ...]:
        """Render the messages for `inputs`, which are plain JSON. `read` reads the images and files that are named.

        Raises `TemplateRefused` for a missing value, whatever the sandbox refuses, any cap, and a text outside of
        the role tags.
        """
        run = Run(read)
        token = current.set(run)
        try:
            self._fill(run, inputs)
        except TemplateRefused as error:
            path, line = self._place(error)
            raise TemplateRefused(error.reason, path=path, line=line) from None
        except Exception as error:
            path, line = self._place(error)
            raise TemplateRefused(_reason(error), path=path, line=line) from error
        finally:
            current.reset(token)
        return tuple(run.messages)

    def _fill(self, run: Run, inputs: Mapping[str, Json]) -> None:
        weigh([dict(inputs)], MAX_VALUE)
        if self._attaches:
            refuse_halves(inputs)
        context = self._compiled.new_context(dict(inputs))
        rest, size = [], 0
        for piece in self._compiled.root_render_func(context):
            size += len(piece)
            if size > MAX_OUTPUT:
                raise TemplateRefused(f"makes more than {MAX_OUTPUT:,} characters")
            rest.append(piece)
        text = "".join(rest)
        if not self._roles:
            add_message("user", text)
        elif stray := text.strip():
            raise TemplateRefused(f"text outside of a message: {stray[:40]!r}")
        elif not run.messages:
            raise TemplateRefused("made no message for these inputs")

    def _place(self, error: BaseException) -> tuple[str, int]:
        """The file and line of the template in which an error arose."""
        found = (self._sources.paths[""], 0)
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._compiled.filename:
                found = self._sources.place(self._compiled.get_corresponding_lineno(trace.tb_lineno))
            trace = trace.tb_next
        return found


class _Sources:
    """Which file and line an encoded line means."""

    def __init__(self, inliner: Inliner, path: str, first_line: int, paths: Mapping[str, str]) -> None:
        self._files, self._first = inliner.files, first_line
        self.used = inliner.used
        self.paths = {**{name: paths.get(name, f"prompts/{name}") for name in inliner.files}, "": path}

    def place(self, encoded: int) -> tuple[str, int]:
        number, line = divmod(encoded, STRIDE)
        name = self._files[min(number, len(self._files) - 1)]
        return self.paths[name], line + (self._first - 1 if not name else 0)


def compile_template(
    source: str,
    includes: Mapping[str, str],
    *,
    path: str,
    first_line: int = 1,
    paths: Mapping[str, str] | None = None,
) -> Template:
    """Compile a template with the files it includes.

    `includes` maps each name, as templates write it, to its text; `paths` says under which path a name is reported.
    `first_line` is the line of the file on which `source` begins.

    Raises `ProblemsError` with every problem of the template and its includes.
    """
    environment = sandbox()
    inliner = Inliner(environment, includes)
    try:
        tree = inliner.parse(source)
        sources = _Sources(inliner, path, first_line, paths or {})
        roles = has_roles(tree)
        inliner.found += structure(tree) if roles else ()
        if not inliner.found:
            return _compiled(environment, tree, sources, roles=roles)
    except Exception as error:  # whatever a hostile file does to parser or compiler is that file's problem
        inliner.found.append((1, f"cannot be compiled: {_reason(error)}", "simplify it"))
    sources = _Sources(inliner, path, first_line, paths or {})
    raise ProblemsError(_problems(inliner.found, sources))


def _compiled(environment: Sandbox, tree: nodes.Template, sources: _Sources, *, roles: bool) -> Template:
    stable = stable_messages(tree) if roles else 0
    rewrite(tree)
    tree.set_environment(environment)
    names = _variables(tree)
    attaches = any(is_attachment(call) for call in tree.find_all(nodes.Call))
    file_name = f"<promptops template {next(_numbers)}>"
    code = environment.compile(tree, filename=file_name)
    template = environment.template_class.from_code(environment, code, environment.make_globals(None))
    return Template(template, sources, names, roles=roles, attaches=attaches, stable=stable)


def _problems(found: list[Found], sources: _Sources) -> Iterator[Problem]:
    for encoded, message, hint in found:
        path, line = sources.place(encoded)
        yield Problem(path, line, message, hint)


def _variables(tree: nodes.Template) -> dict[str, int]:
    """The names that no part of the template defines, with the line of their first use."""
    wanted = meta.find_undeclared_variables(tree)
    lines: dict[str, int] = {}
    for name in tree.find_all(nodes.Name):
        if name.name in wanted and name.ctx == "load":
            lines[name.name] = min(lines.get(name.name, name.lineno), name.lineno)
    return {name: lines.get(name, 1) for name in sorted(wanted)}


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "nested too deeply or too large"
    words = " ".join(str(error).split())[:300]
    if isinstance(error, (jinja2.UndefinedError, jinja2.TemplateError)):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@functools.cache
def sandbox() -> Sandbox:
    return Sandbox()


def included_names(source: str) -> list[tuple[str, int]]:
    """Return the names that a template includes or imports from, with the line of each in `source`."""
    return references(sandbox(), source)


__all__ = ["Template", "compile_template", "included_names"]
