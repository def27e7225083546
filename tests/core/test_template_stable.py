"""How many messages stand before anything that varies."""

from __future__ import annotations

import pytest

from promptops.core.template import compile_template

INCLUDES = {
    "_shared/tone.j2": "Be brief.",
    "_shared/system.j2": "{% system %}Be brief.{% endsystem %}",
    "_shared/varies.j2": "{{ tone }}",
    "_shared/macros.j2": "{% macro shout(text) %}{{ text|upper }}{% endmacro %}",
}
SYSTEM, SHOWN = "{% system %}Be brief.{% endsystem %}", "{% user %}7 pm{% enduser %}{% assistant %}19{% endassistant %}"
ASKED = "{% user %}{{ text }}{% enduser %}"


@pytest.mark.parametrize(
    ("source", "stable"),
    [
        (SYSTEM + ASKED, 1),
        (f"{SYSTEM}\n\n{{# a remark #}}\n{SHOWN}\n{ASKED}", 3),
        (SYSTEM + SHOWN, 3),
        (ASKED + SYSTEM, 0),
        ("Be brief. {{ text }}", 0),
        ("{% system %}Be {{ how }}.{% endsystem %}" + SHOWN + ASKED, 0),
        ("{% system %}{% include '_shared/tone.j2' %} Always.{% endsystem %}" + ASKED, 1),
        ("{% include '_shared/system.j2' %}" + SHOWN + ASKED, 3),
        ("{% system %}{% include '_shared/varies.j2' %}{% endsystem %}" + ASKED, 0),
        ("{% set a = 1 %}" + SYSTEM + ASKED, 1),
        ("{% from '_shared/macros.j2' import shout %}" + SYSTEM + ASKED, 1),
        ("{% from '_shared/macros.j2' import shout %}{% system %}{{ shout('a') }}{% endsystem %}" + ASKED, 0),
        ("{% if text %}" + SYSTEM + "{% endif %}" + ASKED, 0),
        (SYSTEM + "{% for turn in turns %}{% message turn.role %}{{ turn.text }}{% endmessage %}{% endfor %}", 1),
        (SYSTEM + "{% message 'user' %}7 pm{% endmessage %}" + ASKED, 2),
        (SYSTEM + "{% message role %}7 pm{% endmessage %}" + ASKED, 1),
        (SYSTEM + "{% user %}{{ image(picture) }}{% enduser %}", 1),
        ("{% system %}{% raw %}{{ text }}{% endraw %}{% endsystem %}" + ASKED, 1),
        ("{% system %}{% if text %}a{% endif %}{% endsystem %}" + ASKED, 0),
    ],
)
def test_messages_before_the_first_that_varies(source: str, stable: int) -> None:
    assert compile_template(source, INCLUDES, path="v1.j2").stable == stable
