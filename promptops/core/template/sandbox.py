"""The environment that templates run in: every operation that could reach or cost something goes through a guard here.

An allow-list throughout: plain data, the names in `filters`, the loop variable, macros. Attributes and items that
begin with `_` are refused at run time too, however their name was made, and a refusal raises: `is defined` or
`|default` cannot turn it into something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from jinja2 import StrictUndefined
from jinja2.filters import _GroupTuple
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context

from promptops.core.template import text
from promptops.core.template.attachments import AttachmentExtension
from promptops.core.template.filters import FILTERS, FUNCTIONS, TESTS, call_method
from promptops.core.template.limits import MAX_BITS, checked, current, text_of, weigh
from promptops.core.template.roles import RoleExtension
from promptops.errors import TemplateRefused

LOOP_ATTRIBUTES = frozenset(
    ["depth", "depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex", "revindex0"]
)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja over plain JSON data, with nothing but what `filters` lists."""

    intercepted_binops: ClassVar[frozenset[str]] = frozenset(["+", "-", "*", "/", "//", "%", "**"])  # type: ignore[misc]

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            finalize=finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            extensions=[RoleExtension, AttachmentExtension],
            optimized=False,
            cache_size=0,
        )
        self.filters = {**FILTERS, "_tick": tick, "_concat": concat, "_method": call_method, "_built": built}
        self.tests = dict(TESTS)
        self.globals = dict(FUNCTIONS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._look_up(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._look_up(obj, argument)

    def _look_up(self, obj: Any, key: Any) -> Any:
        current.get().step()
        if isinstance(key, str) and key.startswith("_"):
            raise TemplateRefused(f"{key!r} begins with an underscore: this is refused")
        kind = type(obj)
        if isinstance(obj, StrictUndefined):
            str(obj)  # raises, and names what is missing
        if kind in _READERS:
            try:
                return _READERS[kind](obj, key)
            except (KeyError, IndexError):
                return self.undefined(obj=obj, name=key)
        raise TemplateRefused(f"{key!r} of a {kind.__name__} is refused: templates see plain data only")

    def call(self, _context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = current.get()
        run.step()
        for key in ("_loop_vars", "_block_vars"):
            kwargs.pop(key, None)
        if type(obj) is Macro or type(obj) is LoopContext or getattr(obj, "__func__", None) is RoleExtension.message:
            run.enter()
            try:
                return obj(*args, **kwargs)
            finally:
                run.leave()
        if any(obj is function for function in FUNCTIONS.values()):
            return obj(*args, **kwargs)
        if getattr(obj, "__func__", None) is AttachmentExtension.attach:
            return obj(*args)
        if isinstance(obj, StrictUndefined):
            str(obj)
        raise TemplateRefused(f"a {type(obj).__name__} cannot be called here")

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """`|map(name)`: the names with an underscore are the sandbox's own."""
        if str(name).startswith("_"):
            raise TemplateRefused(f"{name!r} is no filter")
        return super().call_filter(name, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        current.get().step()
        for side in (left, right):
            if isinstance(side, StrictUndefined):
                str(side)
        if operator == "%" and isinstance(left, str):
            return text.printf(left, right)
        _fits(operator, left, right)
        return checked(super().call_binop(context, operator, left, right))


def _key(obj: Any, key: Any) -> Any:
    if type(key) not in (str, int):
        raise KeyError(key)
    return obj[key]


def _index(obj: Any, key: Any) -> Any:
    if type(key) is not int:
        raise KeyError(key)
    return obj[key]


def _group(obj: Any, key: Any) -> Any:
    return obj[{"grouper": 0, "list": 1, 0: 0, 1: 1}[key]]


def _loop(obj: Any, key: Any) -> Any:
    if key not in LOOP_ATTRIBUTES:
        raise KeyError(key)
    return getattr(obj, key)


def _attribute(obj: Any, key: Any) -> Any:
    try:
        return getattr(obj, key)
    except (AttributeError, TypeError):
        raise KeyError(key) from None


def _nothing(_obj: Any, key: Any) -> Any:
    raise KeyError(key)


# How each kind of value is read, by attribute or by item alike; every other kind is refused.
_READERS: dict[type, Callable[[Any, Any], Any]] = {
    dict: _key,
    list: _index,
    tuple: _index,
    str: _index,
    _GroupTuple: _group,
    LoopContext: _loop,
    Namespace: _attribute,
    **dict.fromkeys((int, float, bool, type(None)), _nothing),
}


def _fits(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be large before it is done."""
    both = (type(left), type(right))
    if operator == "**" and all(kind in (int, bool) for kind in both):
        if right > 0 and int(left).bit_length() * right > MAX_BITS + 1:
            raise TemplateRefused(f"makes a whole number of more than {MAX_BITS} bits")
        if right < -MAX_BITS:
            raise TemplateRefused("makes a number too small to hold")
    elif operator == "*":
        for value, times in ((left, right), (right, left)):
            if type(value) in (str, list, tuple) and type(times) in (int, bool) and times > 0:
                current.get().room_for(weigh([value]) * times)
    elif operator == "+" and both[0] is both[1] and both[0] in (str, list, tuple):
        current.get().room_for(len(left) + len(right))


@pass_context
def finalize(_context: Context, value: Any) -> str:
    """What `{{ … }}` prints."""
    return text_of(value)


@pass_context
def tick(_context: Context, value: int, produced: int) -> int:
    """Put at the head of each loop, macro and condition by `rewrite`."""
    current.get().step(produced)
    return value


@pass_context
def concat(_context: Context, *values: Any) -> str:
    """What `a ~ b` becomes."""
    current.get().step()
    return text.concat(*values)


@pass_context
def built(_context: Context, value: Any) -> Any:
    """Put around each `[…]`, `(…)` and `{…}`: without it, sharing doubles the size of a value at each step."""
    return checked(value)
