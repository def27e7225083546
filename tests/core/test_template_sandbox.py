"""Known ways out of a Jinja sandbox, and ways to use it up: every one ends in a problem or a refusal, quickly."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from promptops.core.template import compile_template
from promptops.errors import ProblemsError, TemplateRefused

INPUTS: dict[str, Any] = {
    "text": "hello",
    "number": 7,
    "nothing": None,
    "data": {"name": "Ada", "_secret": "s", "items": [1, 2], "format": "f"},
    "rows": [{"a": 1, "__class__": "x"}, {"a": 2, "__class__": "y"}],
    "under": "__class__",
    "pattern": "{0.__class__}",
    "big": 10**9,
}


def outcome(source: str, includes: dict[str, str] | None = None) -> str:
    """`refused`, `problem`, or the text that came out."""
    try:
        messages = compile_template(source, includes or {}, path="v1.j2").render(INPUTS)
    except TemplateRefused:
        return "refused"
    except ProblemsError:
        return "problem"
    return "\n".join(message.content for message in messages)


def repr_of(value: object) -> str:
    return repr(value)[:40]


ESCAPES = [
    # attributes and items that begin with an underscore, written out
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ [].__class__.__base__.__subclasses__()[104].__init__.__globals__['sys'] }}",
    "{{ text.__init__.__globals__ }}",
    "{{ data._secret }}",
    "{{ data['_secret'] }}",
    "{{ data.get('_secret') }}",
    "{{ ().__class__.__bases__[0] }}",
    "{{ config.__class__ }}",
    "{% set x = ''.__class__ %}{{ x }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% if ''.__class__ %}yes{% endif %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m(x=''.__class__) %}{{ x }}{% endmacro %}{{ m() }}",
    "{% with x = text.__class__ %}{{ x }}{% endwith %}",
    "{{ __builtins__ }}",
    "{{ _x }}",
    "{{ 1 if ''.__class__ else 2 }}",
    "{{ [''.__class__] }}",
    "{{ {'a': ''.__class__}|tojson }}",
    "{{ text[''.__class__] }}",
    "{{ text.upper.__self__ }}",
    # … made at run time
    "{{ ''['__cl' ~ 'ass__'] }}",
    "{{ ''['__cl' + 'ass__'] }}",
    "{{ ''['%s%s' % ('__cl', 'ass__')] }}",
    "{{ ''['__ssalc__'|reverse] }}",
    "{{ ''['__ssalc__'[::-1]] }}",
    "{{ ''[['__cl', 'ass__']|join] }}",
    "{{ ''[under] }}",
    "{{ data[under] }}",
    "{{ data.get(under) }}",
    "{{ ''['__CLASS__'.lower()] }}",
    "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ ''['\\u005f_class__'] }}",
    "{{ rows[0][under] }}",
    "{{ (text if text else nothing)[under] }}",
    # filters that look up
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('__cl' ~ 'ass__') }}",
    "{{ text|attr(under) }}",
    "{{ ['']|map('attr', '__class__')|list }}",
    "{{ rows|map(attribute='__class__')|list }}",
    "{{ rows|map(attribute=under)|list }}",
    "{{ rows|map(attribute='a.' ~ under)|list }}",
    "{{ rows|selectattr('__class__')|list }}",
    "{{ rows|selectattr(under)|list }}",
    "{{ rows|rejectattr(under)|list }}",
    "{{ rows|sort(attribute=under) }}",
    "{{ rows|groupby(under)|list }}",
    "{{ rows|groupby('__class__')|list }}",
    "{{ rows|sum(attribute=under) }}",
    "{{ rows|join(',', attribute=under) }}",
    "{{ rows|unique(attribute=under)|list }}",
    "{{ rows|max(attribute=under) }}",
    "{{ rows|map('_method', 'upper')|list }}",
    "{{ rows|map('_tick', -100000000)|list }}",
    "{{ text|_method('upper') }}",
    "{{ text|_tick(3) }}",
    # a refusal may not be swallowed
    "{{ ''['__cl' ~ 'ass__'] is defined }}",
    "{{ ''['__cl' ~ 'ass__']|default('x') }}",
    "{{ data[under]|default('x', true) }}",
    "{{ data[under] is undefined }}",
    "{% if data[under] is defined %}yes{% else %}no{% endif %}",
    # formatting
    "{{ '{0.__class__}'.format('') }}",
    "{{ pattern.format(text) }}",
    "{{ '{a.__class__}'.format_map({'a': ''}) }}",
    "{{ '{0.__class__}'|format('') }}{{ ('%(x)s').format(x='') }}",
    "{{ '%(__class__)s' % data }}",
    "{{ ['{0.__class__}']|map('format', '')|list }}{{ ''.format }}{{ text.format('') }}",
    # objects of the engine
    "{{ self }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ super() }}",
    "{{ context }}{{ environment.filters }}",
    "{{ cycler('a', 'b').next }}",
    "{{ joiner().sep }}",
    "{{ lipsum() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ dict.fromkeys }}",
    "{{ range.__init__ }}",
    "{{ range }}",
    "{{ namespace }}",
    "{{ namespace(a=1) }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ namespace(a=1)._Namespace__attrs }}",
    "{% set n = namespace() %}{% set n._Namespace__attrs = 3 %}{{ n.a }}",
    "{% for x in [1] %}{{ loop }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for x in [1] %}{{ loop['_iter' ~ 'ator'] }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m() %}{{ varargs.__class__ }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{% macro m() %}{% endmacro %}{{ m.name }}",
    "{% macro m() %}{% endmacro %}{{ m['_fu' ~ 'nc'] }}",
    "{% macro m() %}{% endmacro %}{{ m|string }}",
    "{{ (rows|map('upper')).gi_frame }}",
    "{{ (rows|map('string')).gi_frame.f_back }}",
    "{{ rows|batch(1).gi_code }}",
    "{{ text.upper }}",
    "{{ text.encode() }}",
    "{{ data.pop('name') }}",
    "{{ data.update({'x': 1}) }}",
    "{{ data.clear() }}",
    "{{ data.setdefault('x', 1) }}",
    "{{ rows.append(1) }}",
    "{{ rows.pop() }}",
    "{{ rows.sort() }}",
    "{{ number.bit_length() }}",
    "{{ number.real.__class__ }}",
    "{{ text.translate({104: 'x'}) }}",
    "{{ text.mro() }}",
    "{{ rows[0]['a'].__class__ }}",
    "{{ (1).__class__ }}",
    "{{ true.__class__ }}",
    "{{ none.__class__ }}",
    "{{ nothing.x.y }}",
    "{{ data.missing.__class__ }}",
    "{{ data.missing() }}",
    "{{ [('x' if false)] }}",
    "{{ [range] }}",
    "{{ range|list }}",
    "{{ (range or 1)(3) }}",
    "{% for x in data %}{{ data[x] }}{% endfor %}",
    "{{ text.split.__func__ }}",
    "{{ rows|selectattr('a', 'callable')|list }}",
    "{{ text() }}",
    "{{ (text)() }}",
    "{{ data['name']() }}",
    "{{ ''.join(text.__class__) }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ text|safe }}",
    "{{ text|xmlattr }}",
    "{{ rows|random }}",
    "{{ text|pprint }}",
    "{{ text is callable }}",
    "{{ 'attr' is filter }}",
    "{{ range(3, **{'__class__': 1}) }}",
    # files
    "{% include '/etc/passwd' %}",
    "{% include '../../etc/passwd' %}",
    "{% include under %}",
    "{% include ['a', 'b'] %}",
    "{% include 'missing' ignore missing %}",
    "{% import 'os' as os %}{{ os.system('id') }}",
    "{% from 'os' import system %}{{ system('id') }}",
    "{% from under import x %}{{ x() }}",
    "{% from 'x' import __class__ %}",
    "{% extends 'base.html' %}",
    "{% extends under %}",
    "{% block x %}{{ self.x() }}{% endblock %}",
    "{% autoescape true %}{{ text }}{% endautoescape %}",
    "{% do rows.append(1) %}",
    "{% debug %}",
    "{% trans %}x{% endtrans %}",
]

BOMBS = [
    "{{ 'a' * 1000000000 }}",
    "{{ 1000000000 * 'a' }}",
    "{{ text * big }}",
    "{{ [0] * big }}",
    "{{ ([0] * 100000) * 100000 }}",
    "{{ (1, 2) * big }}",
    "{{ 10**(10**10) }}",
    "{{ big**big }}",
    "{{ (-10)**big }}",
    "{{ 2**-100000000000 }}",
    "{{ 10.0**1000 }}",
    "{{ (-1)**0.5 }}",
    "{% set ns = namespace(x=10) %}{% for i in range(1000) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=(1,)) %}{% for i in range(100) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x={}) %}{% for i in range(99) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}x",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x]|join %}{% endfor %}x",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x|replace('', ns.x) %}{% endfor %}x",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('', ns.x) %}{% endfor %}x",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}x",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}x",
    "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x.join([ns.x, ns.x]) %}{% endfor %}x",
    "{% set ns = namespace(x=1) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x]|tojson %}{% endfor %}{{ ns.x }}",
    "{% for i in range(1000000000) %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) if range(99999)|length and false %}{% endfor %}",
    "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999)|sum }}{% endfor %}",
    "{% for a in range(99999) %}" + "long text " * 100 + "{% endfor %}",
    "{% set x %}{% for a in range(99999) %}" + "long text " * 100 + "{% endfor %}{% endset %}x",
    "{% macro m() %}" + "long text " * 1000 + "{% endmacro %}{% for a in range(99999) %}{% set x = m() %}{% endfor %}x",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro a(n) %}{% if n %}{{ a(n-1) }}{{ a(n-1) }}{% endif %}{% endmacro %}{{ a(50) }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%.1000000000f' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%1000000000s'|format('x') }}",
    "{{ '%(a)1000000000s'|format(a='x') }}",
    "{{ 'x'|center(1000000000) }}",
    "{{ 'x'.center(1000000000) }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x'.rjust(1000000000) }}",
    "{{ 'x'.zfill(1000000000) }}",
    "{{ 'x'.expandtabs(1000000000) }}",
    "{{ 'x\ny'|indent(1000000000) }}",
    "{{ ('x\n' * 100000)|indent(1000) }}",
    "{{ 'x'|wordwrap(1) }}",
    "{{ [1]|batch(1000000000, 'x') }}",
    "{{ [1]|slice(1000000000) }}",
    "{{ [1]|slice(1000000000, 'x') }}",
    "{{ 1.5|round(1000000000) }}",
    "{{ 1.5|round(1000000000, 'ceil') }}",
    "{{ 1.5|round(-1000000000, 'floor') }}",
    "{{ rows|tojson(1000000000) }}",
    "{{ ('f' * 4000)|int(base=16) }}",
    "{{ 'inf'|float }}",
    "{{ 1e999 }}",
    "{{ " + "9" * 5000 + " }}",
    "{{ [[1] * 1000] * 1000 * 1000 }}",
    "{{ ([[1] * 1000] * 1000)|sum(start=[]) }}",
    "{{ range(0, 10**18, 1)|length }}",
    "{{ range(10**18) }}",
    "{{ (range(100000)|list) * 100 }}",
    "{% set x = 'a' * 999999 %}{% for i in range(99999) %}{% set y = x ~ i %}{% endfor %}x",
    "{% set x = 'a' * 999999 %}{% for i in range(99999) %}{% set y = x|upper %}{% endfor %}x",
    "{% set x = 'a' * 999999 %}{% for i in range(99999) %}{% if x == x ~ '' %}{% endif %}{% endfor %}x",
    "{% set x = 'a' * 999999 %}{% for i in range(99999) %}{{ x.count('aaaaab') and '' }}{% endfor %}x",
    "{% set x = 'a' * 999999 %}{{ x }}{{ x }}",
    "{{ '(' * 100000 }}{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "{{ " + "-" * 20000 + "1 }}",
    "{{ " + "1+" * 20000 + "1 }}",
    "{{ " + "not " * 20000 + "1 }}",
    "{{ text" + ".a" * 20000 + " }}",
    "{{ text" + "|upper" * 20000 + " }}",
    "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
]


@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_ends_in_a_problem_or_a_refusal(source: str) -> None:
    assert outcome(source) in ("refused", "problem")


@pytest.mark.parametrize("source", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_ends_soon_and_small(source: str) -> None:
    began, before = time.thread_time(), peak_memory()
    assert outcome(source) in ("refused", "problem")
    assert time.thread_time() - began < 4
    assert peak_memory() - before < 300_000_000


def peak_memory() -> int:
    """The most memory this process ever had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 10**10**10 }}", "1" + "0" * 100),  # from the left, as Jinja has it
        ("{{ ('9' * 100000)|int }}", "0"),
        ("{{ '{% user %}' }}{{ '{{ text }}' }}", "{% user %}{{ text }}"),
        ("{% for _ in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{{ 'x' if false }}", ""),  # as Jinja has it
        ("{% set r = range %}{{ r(2) }}", "[0, 1]"),
        ("{% for name, value in data.items() %}{{ name }} {% endfor %}", "name _secret items format "),
    ],
)
def test_what_looks_dangerous_and_is_not_works(source: str, text: str) -> None:
    assert outcome(source) == text


def test_a_refusal_says_what_and_in_which_line_of_which_file() -> None:
    template = compile_template(
        "{% user %}\n{% include 'part.j2' %}\n{% enduser %}",
        {"part.j2": "\n{{ text[under] }}"},
        path="prompts/p/v1.j2",
        first_line=4,
        paths={"part.j2": "prompts/p/part.j2"},
    )
    with pytest.raises(TemplateRefused) as caught:
        template.render(INPUTS)
    assert str(caught.value) == "prompts/p/part.j2:2: '__class__' begins with an underscore: this is refused"
    assert (caught.value.path, caught.value.line) == ("prompts/p/part.j2", 2)


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": object()},
        {"text": b"bytes"},
        {"text": {1: "a"}},
        {"text": {"a": {"b": {1, 2}}}},
        {"text": float("nan")},
        {"text": float("inf")},
        {"text": Path("/etc/passwd")},
        {"text": type("Sneaky", (str,), {})("x")},
        {"text": "half a pair \ud800"},
        {"text": "x" * 3_000_000},
        {"text": 10**1000},
    ],
    ids=lambda inputs: type(inputs["text"]).__name__,
)
def test_inputs_are_plain_json_within_limits(inputs: dict[str, Any]) -> None:
    template = compile_template("{{ text }}", {}, path="v1.j2")
    with pytest.raises(TemplateRefused):
        template.render(inputs)


def test_an_input_nested_in_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TemplateRefused, match="nested deeper"):
        compile_template("{{ text }}", {}, path="v1.j2").render({"text": endless})
