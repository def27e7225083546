"""The filters, tests, methods and functions that templates may use: nothing else exists in them.

Left out on purpose: what is random (`random`, `lipsum`), what makes HTML (`escape`, `safe`, `urlize`, `xmlattr`,
`striptags`), what reaches into objects (`attr`, `format_map`) and what can take quadratic time (`wordwrap`).
Source: Jinja 3.1 "List of Builtin Filters"; names and arguments are Jinja's unless a docstring says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jinja2 import Environment, Undefined
from jinja2 import filters as jinja
from jinja2 import tests as jinja_tests
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context, LoopContext
from jinja2.utils import Namespace, pass_context

from promptops.core.template import text
from promptops.core.template.bounding import BOUNDING
from promptops.core.template.limits import allow_tuple, checked, current, text_of
from promptops.errors import TemplateRefused

allow_tuple(jinja._GroupTuple)
MAX_RANGE: Final = 100_000


# --- filters ----------------------------------------------------------------------------------------------------------


def _default(value: Any, default_value: Any = "", boolean: object = None) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _tojson(value: Any, indent: Any = None) -> str:
    """JSON as text: keys sorted, letters as they are, nothing escaped for HTML (Jinja's own escapes `<` and `'`)."""
    spaces = None if indent is None else min(text.within(indent, "an indentation"), 16)
    return json.dumps(checked(value), indent=spaces, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _sum(environment: Environment, iterable: Any, attribute: Any = None, start: Any = 0) -> Any:
    """Numbers only: adding up lists takes quadratic time."""
    total = _number(start)
    for item in _attributes(environment, iterable, attribute):
        total += _number(item)
    return total


def _number(value: Any) -> Any:
    if type(value) not in (int, float, bool):
        raise TemplateRefused(f"sum adds up numbers, not a {type(value).__name__}")
    return value


def _join(environment: Environment, value: Any, d: Any = "", attribute: Any = None) -> str:
    return text.join(_attributes(environment, value, attribute), d)


def _attributes(environment: Environment, iterable: Any, attribute: Any) -> Iterable[Any]:
    return iterable if attribute is None else map(make_attrgetter(environment, attribute), iterable)


def _round(value: Any, precision: Any = 0, method: Any = "common") -> Any:
    if not 0 <= text.whole(precision) <= 15:
        raise TemplateRefused(f"a precision of {precision:,} is refused (0 to 15)")
    return jinja.do_round(value, precision, method)


def _batch(value: Any, linecount: Any, fill_with: Any = None) -> Any:
    return list(jinja.do_batch(value, max(text.within(linecount, "a batch"), 1), fill_with))


def _slice(value: Any, slices: Any, fill_with: Any = None) -> Any:
    return list(jinja.sync_do_slice(value, max(text.within(slices, "a number of slices"), 1), fill_with))


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        raise TemplateRefused("format takes positional or named values, not both")
    return text.printf(value, kwargs or args)


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else list(value)[::-1]


def _items(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TemplateRefused(f"items needs a mapping, not a {type(value).__name__}")
    return list(value.items())


def _truncate(
    environment: Environment, value: Any, length: Any = 255, killwords: Any = None, end: Any = "...", leeway: Any = 0
) -> str:
    return jinja.do_truncate(
        environment, text_of(value), text.whole(length), killwords, text_of(end), text.whole(leeway)
    )


def _over_text(function: Callable[..., str]) -> Callable[..., str]:
    return lambda value, *args: function(text_of(value), *args)


def _listed(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda environment, *args, **kwargs: list(function(environment, *args, **kwargs))


def _int(value: Any, default: Any = 0, base: Any = 10) -> Any:
    return jinja.do_int(value if isinstance(value, (int, float)) else text_of(value), default, base)


_PLAIN: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "batch": _batch,
    "capitalize": _over_text(str.capitalize),
    "center": text.center,
    "count": len,
    "d": _default,
    "default": _default,
    "dictsort": jinja.do_dictsort,
    "float": jinja.do_float,
    "format": _format,
    "indent": text.indent,
    "int": _int,
    "items": _items,
    "length": len,
    "list": list,
    "lower": _over_text(str.lower),
    "replace": text.replace,
    "reverse": _reverse,
    "round": _round,
    "slice": _slice,
    "string": text_of,
    "title": _over_text(jinja.do_title),
    "tojson": _tojson,
    "trim": _over_text(str.strip),
    "upper": _over_text(str.upper),
    "wordcount": _over_text(lambda value: len(value.split())),  # type: ignore[arg-type, return-value]
}

_WITH_ENVIRONMENT: dict[str, Callable[..., Any]] = {
    "first": jinja.sync_do_first,
    "groupby": _listed(jinja.sync_do_groupby),
    "join": _join,
    "last": jinja.do_last,
    "max": jinja.do_max,
    "min": jinja.do_min,
    "sort": jinja.do_sort,
    "sum": _sum,
    "truncate": _truncate,
    "unique": _listed(jinja.do_unique),
}

_WITH_CONTEXT: dict[str, Callable[..., Any]] = {
    "map": jinja.sync_do_map,
    "reject": jinja.sync_do_reject,
    "rejectattr": jinja.sync_do_rejectattr,
    "select": jinja.sync_do_select,
    "selectattr": jinja.sync_do_selectattr,
}


def _guarded(function: Callable[..., Any], needs: str) -> Callable[..., Any]:
    """Count the step, run the filter, check what it returns."""

    @pass_context  # a filter that wants the context is never run while the template is compiled
    def run(context: Context, *args: Any, **kwargs: Any) -> Any:
        current.get().step()
        if needs == "environment":
            return checked(function(context.environment, *args, **kwargs))
        if needs == "context":
            made = []
            for item in function(context, *args, **kwargs):
                current.get().step()
                made.append(item)
            return checked(made)
        return checked(function(*args, **kwargs))

    return run


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    **{name: _guarded(function, "") for name, function in {**_PLAIN, **BOUNDING}.items()},
    **{name: _guarded(function, "environment") for name, function in _WITH_ENVIRONMENT.items()},
    **{name: _guarded(function, "context") for name, function in _WITH_CONTEXT.items()},
}

FILTER_HINTS: Final[dict[str, str]] = {
    "attr": "attributes are read as x.name",
    "e": "output is text, not HTML: nothing needs escaping",
    "escape": "output is text, not HTML: nothing needs escaping",
    "forceescape": "output is text, not HTML: nothing needs escaping",
    "safe": "output is text, not HTML: everything is safe",
    "random": "a prompt must render the same text each time",
    "wordwrap": "write the text as it should be",
    "pprint": "write |tojson(2)",
}

# --- tests ------------------------------------------------------------------------------------------------------------

_TEST_NAMES: Final = (
    "boolean defined divisibleby eq == equalto even false float ge >= gt > greaterthan in integer iterable le <= lower "
    "lt < lessthan mapping ne != none number odd sequence string true undefined upper"
)
TESTS: Final[dict[str, Any]] = {name: jinja_tests.TESTS[name] for name in _TEST_NAMES.split()}

# --- functions --------------------------------------------------------------------------------------------------------


def _range(*args: Any) -> list[int]:
    numbers = range(*map(text.whole, args))
    if len(numbers) > MAX_RANGE:
        raise TemplateRefused(f"range of {len(numbers):,} numbers is refused (at most {MAX_RANGE:,})")
    current.get().room_for(len(numbers))
    return list(numbers)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"range": _range, "namespace": Namespace}

# --- methods ----------------------------------------------------------------------------------------------------------


def _padded(name: str) -> Callable[..., Any]:
    def pad(value: str, width: Any, *fill: Any) -> Any:
        return getattr(value, name)(text.within(width, "a width"), *fill)

    return pad


def _get(value: dict[str, Any], key: Any, default: Any = None) -> Any:
    if isinstance(key, str) and key.startswith("_"):
        raise TemplateRefused(f"{key!r} begins with an underscore: this is refused")
    return value.get(key, default)


_STR: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(str, name)
        for name in (  # noqa: SIM905 - a column of 30 strings reads worse
            "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace "
            "isupper lower lstrip partition removeprefix removesuffix rfind rindex rpartition rsplit rstrip split "
            "splitlines startswith strip swapcase title upper"
        ).split()
    },
    **{name: _padded(name) for name in ("center", "ljust", "rjust", "zfill")},
    "join": lambda value, items: text.join(items, value),
    "replace": text.replace,
}
_LIST: dict[str, Callable[..., Any]] = {"count": list.count, "index": list.index}
_TUPLE: dict[str, Callable[..., Any]] = {"count": tuple.count, "index": tuple.index}
_DICT: dict[str, Callable[..., Any]] = {
    "get": _get,
    "items": lambda value: list(value.items()),
    "keys": lambda value: list(value),
    "values": lambda value: list(value.values()),
}
_LOOP: dict[str, Callable[..., Any]] = {"changed": LoopContext.changed, "cycle": LoopContext.cycle}

METHODS: Final[dict[type, dict[str, Callable[..., Any]]]] = {
    str: _STR,
    list: _LIST,
    tuple: _TUPLE,
    dict: _DICT,
    LoopContext: _LOOP,
}
METHOD_NAMES: Final = frozenset(name for table in METHODS.values() for name in table)


@pass_context
def call_method(_context: Context, value: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """`value.name(…)`: methods exist only where they are called, so none can be passed on or reached into."""
    current.get().step()
    for key in ("_loop_vars", "_block_vars"):
        kwargs.pop(key, None)
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is missing
    method = METHODS.get(type(value), {}).get(name)
    if method is None:
        raise TemplateRefused(f"a {type(value).__name__} has no method {name!r} in templates")
    return checked(method(value, *args, **kwargs))
