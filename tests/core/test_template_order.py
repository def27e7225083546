"""What stands behind the first variable of a template cannot be kept by a provider's cache."""

from __future__ import annotations

import pytest

from promptops.core.template.order import late_constant

LONG = "Be kind to guests. " * 100


@pytest.mark.parametrize(
    ("source", "variable", "line", "before", "after"),
    [
        ("{{ text }}\nend", "text", 1, 0, 2),
        (f"{LONG}\n{{{{ text }}}}", "text", 2, 501, 0),
        (f"Hi {{{{ guest.name|upper }}}},\n{LONG}", "guest", 1, 1, 502),
        (f"{{% system %}}You are.\n{{{{ tone }}}}\n{LONG}{{% endsystem %}}", "tone", 2, 4, 501),
        (f"{{% user %}}{{{{ q }}}}{{% enduser %}}{{% system %}}{LONG}{{% endsystem %}}", "q", 1, 0, 500),
        (f"{{% for t in history %}}{LONG}{{% endfor %}}end", "history", 1, 0, 1),
        (f"a\n{{% if vip %}}{LONG}{{% endif %}}end", "vip", 2, 2, 1),
        (f"{{% message role %}}{LONG}{{% endmessage %}}", "role", 1, 0, 500),
        ("{% set x = text %}one {{ x }} two", "x", 1, 1, 1),
        ("{% macro m() %}words{% endmacro %}one {{ m() }}", "m", 1, 1, 0),
        (f"{{% include 'tone.j2' %}}\n{LONG}", "mood", 1, 1, 501),
        (f"{{{{ 'constant' }}}} {LONG} {{{{ text }}}}", "text", 1, 501, 0),
    ],
)
def test_constant_text_is_counted_on_both_sides_of_the_first_variable(
    source: str, variable: str, line: int, before: int, after: int
) -> None:
    found = late_constant(source, {"tone.j2": "Be {{ mood }}."})
    assert found is not None
    assert (found.variable, found.line, found.before, found.after) == (variable, line, before, after)


@pytest.mark.parametrize("source", [LONG, "", "{% if %}", "{{ text|nothing }}", "{% include 'gone.j2' %}"])
def test_without_a_variable_or_in_a_broken_template_there_is_nothing_to_say(source: str) -> None:
    assert late_constant(source, {}) is None
