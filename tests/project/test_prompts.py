"""Prompts are loaded whole, and every malformed file is told with its line; nothing else is ever raised."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.core.closure import build_closure, render
from promptops.errors import ProblemsError, UsageError
from promptops.models import Message, Pin
from promptops.project.prompts import load_prompt, load_readable, load_version, version_names
from promptops.testing.project import TemporaryProject

HEAD = "---\nmodel: test/model-1\n---\n"
GOOD = HEAD + "{{ text }}\n"


@pytest.fixture
def project(tmp_path: Path) -> TemporaryProject:
    return TemporaryProject(tmp_path)


def put(files: dict[str, str | bytes]) -> Callable[[Path], None]:
    """Write files below `prompts/p`; `v1.j2` is good unless it is among them."""

    def write(folder: Path) -> None:
        for name, content in {"v1.j2": GOOD, **files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def front(text: str) -> Callable[[Path], None]:
    return put({"v1.j2": f"---\n{text}\n---\n{{{{ text }}}}"})


def body(text: str) -> Callable[[Path], None]:
    return put({"v1.j2": HEAD + text})


def settings(text: str, **files: str) -> Callable[[Path], None]:
    return put({"prompt.yaml": text, **{name.replace("_", ".", 1): content for name, content in files.items()}})


def tools(text: str) -> Callable[[Path], None]:
    return put({"v1.j2": "---\nmodel: test/m-1\ntools: tools.json\n---\n{{ text }}", "tools.json": text})


def folder_named(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        put({})(folder)
        (folder / name).mkdir()

    return make


def link(name: str, target: str, content: str = GOOD) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        put({"v1.j2": content})(folder)
        (folder / name).symlink_to(target)

    return make


def fifo(folder: Path) -> None:
    put({})(folder)
    os.mkfifo(folder / "v2.j2")


def only_settings(folder: Path) -> None:
    (folder / "prompt.yaml").write_text("description: x\n")


def linked_include(folder: Path) -> None:
    body("{% include 'out.j2' %}")(folder)
    (folder / "out.j2").symlink_to("/etc/passwd")


MALFORMED: list[tuple[str, Callable[[Path], None], str]] = [
    # the version file
    ("empty", put({"v1.j2": ""}), "p/v1.j2:1: is empty"),
    ("only white space", put({"v1.j2": " \n\n"}), "p/v1.j2:1: is empty"),
    ("binary", put({"v1.j2": b"---\nmodel: a/b\n---\n\x00\x01"}), "p/v1.j2:4: is binary"),
    ("no UTF-8", put({"v1.j2": b"---\nmodel: a/b\n---\nx\n\xff"}), "p/v1.j2:5: is not UTF-8 (byte 0xff)"),
    ("UTF-16", put({"v1.j2": GOOD.encode("utf-16")}), "p/v1.j2:"),
    ("BOM", put({"v1.j2": b"\xef\xbb\xbf" + GOOD.encode()}), "p/v1.j2:1: begins with a byte order mark"),
    ("huge", put({"v1.j2": HEAD + "x" * 1_100_000}), "p/v1.j2: is larger than 1024 KiB"),
    ("merge conflict", body("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n"), "p/v1.j2:4: has the marks"),
    ("no front matter", put({"v1.j2": "{{ text }}"}), "p/v1.j2:1: has no front matter"),
    ("front matter later", put({"v1.j2": "\n" + GOOD}), "p/v1.j2:1: has no front matter"),
    ("no end", put({"v1.j2": "---\nmodel: a/b\n{{ text }}"}), "p/v1.j2:1: has front matter without an end"),
    ("no template", put({"v1.j2": HEAD}), "p/v1.j2:3: has no template"),
    ("front matter empty", front(""), "p/v1.j2: the key 'model' is missing"),
    ("front matter a list", front("- model"), "p/v1.j2:2: must be a mapping of keys, not a list"),
    ("front matter a word", front("openai/gpt"), "p/v1.j2:2: must be a mapping of keys"),
    ("front matter broken", front("model: [a"), "p/v1.j2:"),
    ("front matter tab", front("model: a/b\nparams:\n\ttemperature: 1"), "p/v1.j2:4: is not YAML"),
    ("front matter twice", front("model: a/b\nmodel: a/c"), "p/v1.j2:3: the key 'model' is here twice"),
    ("front matter alias", front("model: &a a/b\ntools: *a"), "p/v1.j2:3: alias *a is not allowed"),
    ("front matter tag", front("model: !!python/name:os.system"), "p/v1.j2:2: tag"),
    ("front matter deep", front("model: a/b\nparams: " + "[" * 200), "nested deeper than 50"),
    ("unknown key", front("model: a/b\nparam: {}"), "p/v1.j2:3: param: unknown key, did you mean 'params'?"),
    ("model a number", front("model: 3"), "p/v1.j2:2: model: must be text, not 3"),
    ("model empty", front("model: ''"), "p/v1.j2:2: model: '' is not a pin"),
    ("model without provider", front("model: my-model"), "p/v1.j2:2: model: 'my-model' is not a pin"),
    ("model bare alias", front("model: gpt-4o"), "openai/gpt-4o-2024-11-20"),
    ("model floats", front("model: openai/gpt-4o"), "p/v1.j2:2: model: 'openai/gpt-4o' floats"),
    ("model latest", front("model: anthropic/claude-sonnet-latest"), "pin anthropic/claude-sonnet-4-5-20250929"),
    ("model custom latest", front("model: acme/thing-latest"), "p/v1.j2:2: model: 'acme/thing-latest' floats"),
    ("local without digest", front("model: local/smollm2"), "first 12 hex digits"),
    ("model with a space", front("model: acme/my model"), "p/v1.j2:2: model: 'acme/my model' is not a model id"),
    ("provider odd", front("model: 'A B/x'"), "p/v1.j2:2: model: 'A B' is no name of a provider"),
    ("params a list", front("model: a/b\nparams: [1]"), "p/v1.j2:3: params: must be a mapping"),
    ("param unknown", front("model: a/b\nparams:\n  temprature: 1"), "p/v1.j2:4: unknown param 'temprature', did you"),
    ("param out of range", front("model: a/b\nparams: {temperature: 3}"), "p/v1.j2:3: temperature must be"),
    ("param no number", front("model: a/b\nparams: {max_tokens: many}"), "p/v1.j2:3: max_tokens must be"),
    ("param not finite", front("model: a/b\nparams: {temperature: .nan}"), "p/v1.j2:3: .nan is not a finite number"),
    # the template
    ("syntax", body("a\n{{ text"), "p/v1.j2:5: unexpected end"),
    ("unclosed role", body("{% user %}x"), "p/v1.j2:4: "),
    ("unknown filter", body("{{ text|nope }}"), "p/v1.j2:4: unknown filter 'nope'"),
    ("escape", body("\n\n{{ text.__class__ }}"), "p/v1.j2:6: '__class__' begins with an underscore"),
    ("text outside", body("{% user %}{{ text }}{% enduser %}\nmore"), "p/v1.j2:5: text outside of a message: 'more'"),
    ("nested roles", body("{% user %}{% tool %}{% endtool %}{% enduser %}"), "p/v1.j2:4: a message begins inside"),
    ("parentheses", body("{{ " + "(" * 9000 + " }}"), "p/v1.j2:"),
    ("deep blocks", body("{% if text %}" * 3000 + "{% endif %}" * 3000), "p/v1.j2:"),
    # includes
    ("include missing", body("\n{% include 'nope.j2' %}"), "p/v1.j2:5: there is no template 'nope.j2'"),
    ("include absolute", body("{% include '/etc/passwd' %}"), "p/v1.j2:4: '/etc/passwd' is not a name inside"),
    (
        "include upwards",
        body("{% include '../../pyproject.toml' %}"),
        "p/v1.j2:4: '../../pyproject.toml' is not a name",
    ),
    ("include a folder", body("{% include '.' %}"), "p/v1.j2:4: cannot include"),
    ("include linked out", linked_include, "p/v1.j2:4: cannot include prompts/p/out.j2: leads out of the project"),
    ("include itself", body("{% include 'v1.j2' %}"), "p/v1.j2:"),
    ("include computed", body("{% include text %}"), "p/v1.j2:4: include needs a name in quotes"),
    ("include binary", put({"v1.j2": HEAD + "{% include 'x.j2' %}", "x.j2": b"\0"}), "p/v1.j2:4: cannot include"),
    ("include NUL", body("{% include 'a\\0b' %}"), "p/v1.j2:4: "),
    ("include too long", body("{% include '" + "a" * 5000 + "' %}"), "p/v1.j2:4: "),
    (
        "include wrong inside",
        put({"v1.j2": HEAD + "{% include 'x.j2' %}", "x.j2": "\n{{ x|no }}"}),
        "p/x.j2:2: unknown",
    ),
    # names and kinds of files
    ("v01", put({"v01.j2": GOOD}), "p/v01.j2: is not the name of a version"),
    ("V1", put({"V2.j2": GOOD}), "p/V2.j2: is not the name of a version"),
    ("v0", put({"v0.j2": GOOD}), "p/v0.j2: is not the name of a version"),
    ("v1.jinja", put({"v2.jinja": GOOD}), "p/v2.jinja: is not the name of a version"),
    ("v1.j2.txt", put({"v2.j2.txt": GOOD}), "p/v2.j2.txt: is not the name of a version"),
    ("2.j2", put({"2.j2": GOOD}), "p/2.j2: is not the name of a version"),
    ("a folder", folder_named("v2.j2"), "p/v2.j2: is a folder, not a file"),
    ("a pipe", fifo, "p/v2.j2: is not a regular file"),
    ("link to nothing", link("v2.j2", "nowhere.j2"), "p/v2.j2: is a symbolic link to nothing"),
    ("link in a circle", link("v2.j2", "v2.j2"), "p/v2.j2: "),
    ("link out", link("v2.j2", "/etc/hostname"), "p/v2.j2: leads out of the project"),
    (
        "no version",
        only_settings,
        "p: has no version",
    ),
    # prompt.yaml
    ("yaml broken", settings("inputs: ["), "p/prompt.yaml:"),
    ("yaml a list", settings("- a"), "p/prompt.yaml:1: must be a mapping"),
    ("yaml binary", put({"prompt.yaml": b"\x00"}), "p/prompt.yaml:1: is binary"),
    ("yaml huge", put({"prompt.yaml": "a: " + "x" * 1_100_000}), "p/prompt.yaml: is larger than"),
    ("yaml folder", folder_named("prompt.yaml"), "p/prompt.yaml: is a folder"),
    ("yaml link out", link("prompt.yaml", "/etc/hostname"), "p/prompt.yaml: leads out of the project"),
    ("yml", put({"prompt.yml": "a: b"}), "p/prompt.yml: is not read"),
    ("yaml two documents", settings("task: writing\n---\ntask: creative\n"), "p/prompt.yaml:2: a second document"),
    ("key unknown", settings("descripion: x"), "p/prompt.yaml:1: descripion: unknown key, did you mean 'description'?"),
    ("task unknown", settings("\ntask: extract"), "p/prompt.yaml:2: task: "),
    ("samples", settings("samples: 0"), "p/prompt.yaml:1: samples: "),
    ("samples a float", settings("samples: 1.5"), "p/prompt.yaml:1: samples: "),
    ("pass_rate", settings("pass_rate: 90"), "p/prompt.yaml:1: pass_rate: "),
    ("pass_rate text", settings("pass_rate: 90%"), "p/prompt.yaml:1: pass_rate: "),
    ("gate", settings("gate: all"), "p/prompt.yaml:1: gate: "),
    ("budgets", settings("budgets:\n  cost: 1"), "p/prompt.yaml:2: budgets.cost: unknown key"),
    ("inputs a list", settings("inputs: [text]"), "p/prompt.yaml:1: inputs: "),
    ("input type", settings("inputs:\n  text: strng"), "p/prompt.yaml:2: inputs.text: unknown type 'strng', did"),
    ("input schema", settings("inputs:\n  text: {type: 3}"), "p/prompt.yaml:2: inputs.text: is not a JSON Schema"),
    (
        "input default",
        settings("inputs:\n  text: {type: string, default: 3}"),
        "p/prompt.yaml:2: inputs.text: the default",
    ),
    ("input undeclared", settings("inputs:\n  txt: string"), "p/v1.j2:4: 'text' is not declared"),
    (
        "input unused",
        settings("inputs:\n  text: string\n  more: string"),
        "p/prompt.yaml:3: no version uses the input 'more'",
    ),
    (
        "check unknown",
        settings("checks:\n  - schema\n  - contain: x"),
        "p/prompt.yaml:3: unknown check 'contain', did you",
    ),
    ("checks a mapping", settings("checks: {a: b}"), "p/prompt.yaml:1: checks: "),
    ("output odd", settings("output: ../schema.py:X"), "p/prompt.yaml:1: output: '../schema.py:X' names no contract"),
    ("output missing", settings("output: schema.py:X"), "p/prompt.yaml:1: schema.py:X: there is no file"),
    ("output no class", settings("output: schema.py:X", schema_py="class Y: ...\n"), "defines no 'X'"),
    ("output no Python", settings("output: schema.py:X", schema_py="\nclass X(\n"), "p/schema.py:2: is not Python"),
    ("schema no JSON", settings("output: schema.json", schema_json="{\n'a': 1}"), "p/schema.json:2: is not JSON"),
    ("schema empty", settings("output: schema.json", schema_json=""), "p/schema.json:1: is empty"),
    ("schema a list", settings("output: schema.json", schema_json="[]"), "p/schema.json:1: must be a JSON Schema"),
    (
        "schema invalid",
        settings("output: schema.json", schema_json='{"type": 3}'),
        "p/schema.json:1: is not a JSON Schema",
    ),
    ("schema remote", settings("output: schema.json", schema_json='{"$ref": "http://x/y"}'), "leaves the schema"),
    ("schema deep", settings("output: schema.json", schema_json="[" * 100_000), "p/schema.json: is nested too deeply"),
    ("schema twice", settings("output: schema.json", schema_json='{"a": 1, "a": 2}'), "the key 'a' is there twice"),
    (
        "check function",
        settings("checks:\n  - python: checks.py:polite"),
        "p/prompt.yaml:2: checks.py:polite: there is no",
    ),
    ("redact", settings("redact:\n  - '('"), "p/prompt.yaml:2: redact: '(' is not a regular expression"),
    (
        "latency",
        settings("budgets:\n  p95_latency: soon"),
        "p/prompt.yaml:2: budgets.p95_latency: 'soon' is not a duration",
    ),
    ("latency word", settings("budgets:\n  p95_latency: soon"), "'soon' is not a duration: write 60s, 800ms, 2m or 1h"),
    # tools
    ("tools missing", front("model: a/b\ntools: tools.json"), "p/tools.json: does not exist"),
    ("tools outside", front("model: a/b\ntools: ../../pyproject.json"), "is not the name of a JSON file beside"),
    ("tools no JSON", tools("{"), "p/tools.json:1: is not JSON"),
    ("tools a mapping", tools("{}"), "p/tools.json:1: must be a list of tools"),
    ("tools of text", tools('["a"]'), 'p/tools.json: tool 0: must be {"type": "function"'),
    ("tools unnamed", tools('[{"type": "function", "function": {}}]'), "tool 0: the name None must be"),
    ("tools NaN", tools("[NaN]"), "p/tools.json: is not JSON: NaN is not a number"),
    (
        "tools schema",
        tools('[{"type": "function", "function": {"name": "f", "parameters": {"type": "objekt"}}}]'),
        "tool 0: parameters: is not a JSON Schema",
    ),
    (
        "tools twice",
        tools('[{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}]'),
        "tool 1: the name 'f' is there twice",
    ),
]


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_malformed_file_is_a_problem_with_its_place(
    project: TemporaryProject, make: Callable[[Path], None], words: str
) -> None:
    folder = project.path / "prompts" / "p"
    folder.mkdir(parents=True)
    make(folder)
    with pytest.raises(ProblemsError) as caught:
        load_prompt(project.project, "p")
    assert words in str(caught.value)
    assert all(problem.path.startswith("prompts/p") for problem in caught.value.problems)
    assert list(caught.value.problems) == sorted(caught.value.problems)


def test_a_broken_version_keeps_its_problems_and_its_siblings_can_be_read(project: TemporaryProject) -> None:
    project.prompt("p", versions={"v1": "{{ text }}", "v2": "{% if %}"}, yaml="inputs: {text: string}\n")
    project.write("prompts/p/v3.j2", HEAD + "{{ txet }}")

    prompt = load_readable(project.project, "p")

    assert [version.name for version in prompt.versions] == ["v1"]
    assert {name: [problem.path for problem in found] for name, found in prompt.broken.items()} == {
        "v2": ["prompts/p/v2.j2"],
        "v3": ["prompts/p/v3.j2"],
    }
    with pytest.raises(ProblemsError, match=r"v2\.j2:4"):
        prompt.version("v2")
    with pytest.raises(ProblemsError, match=r"(?s)v2.j2:4.*v3.j2:4"):
        load_prompt(project.project, "p")


def test_what_versions_share_is_a_problem_of_all_of_them(project: TemporaryProject) -> None:
    project.prompt("p", versions={"v1": "{{ text }}", "v2": "{% if %}"}, yaml="smaples: 2\n")
    with pytest.raises(ProblemsError, match=r"(?s)prompt.yaml:1.*v2.j2:4"):
        load_readable(project.project, "p")


@pytest.mark.parametrize(
    "name", ["build", "dist", "venv", "node_modules", "all", "candidate", "Booking", "a b", "ä", "a@b"]
)
def test_a_name_that_pytest_or_selectors_cannot_use_is_refused(project: TemporaryProject, name: str) -> None:
    project.prompt(name, versions={"v1": "{{ text }}"})
    assert name in project.project.prompt_names()
    with pytest.raises(ProblemsError, match="a prompt cannot be called"):
        load_prompt(project.project, name)


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc", "_shared", "p/x"])
def test_what_is_no_prompt_is_a_usage_error(project: TemporaryProject, name: str) -> None:
    project.prompt("p", versions={"v1": "{{ text }}"})
    project.write("prompts/_shared/v1.j2", GOOD)
    with pytest.raises(UsageError, match=r"there is no prompt .* \(there is: p\)"):
        load_prompt(project.project, name)


def test_a_misspelt_prompt_or_version_gets_the_nearest_name(project: TemporaryProject) -> None:
    project.prompt("booking", versions={"v1": "{{ text }}", "v2": "{{ text }}"})
    with pytest.raises(UsageError, match="did you mean 'booking'"):
        load_prompt(project.project, "boking")
    with pytest.raises(UsageError, match=r"no version 'v3' \(there is: v1, v2\)"):
        load_version(project.project, "booking", "v3")
    with pytest.raises(UsageError, match="no version 'v3'"):
        load_prompt(project.project, "booking").version("v3")


def test_a_prompt_of_one_file_works(project: TemporaryProject) -> None:
    project.prompt("p", versions={"v1": "{{ text }}"})
    prompt = load_prompt(project.project, "p")
    assert prompt.inputs == {"text": {}}
    assert (prompt.newest.name, prompt.newest.pin, prompt.newest.params) == ("v1", Pin("test", "model-1"), {})


def test_versions_are_in_numeric_order(project: TemporaryProject) -> None:
    project.prompt("p", versions={"v10": "{{ text }}", "v2": "{{ text }}", "v1": "{{ text }}"})
    assert version_names(project.project, "p") == ["v1", "v2", "v10"]
    assert [version.name for version in load_prompt(project.project, "p").versions] == ["v1", "v2", "v10"]


def test_a_whole_prompt_with_everything(project: TemporaryProject) -> None:
    project.write("prompts/_shared/tone.j2", "Be {{ tone }}.\r\n")
    project.prompt(
        "p",
        versions={
            "v1": "---\r\nmodel: test/model-1\r\nparams: {max_tokens: 9}\r\ntools: tools.json\r\n---\r\n"
            "{% system %}{% include '_shared/tone.j2' %} {% include 'own.j2' %}{% endsystem %}\r\n"
            "{% user %}{{ text }}{% enduser %}\r\n"
        },
        yaml="task: extraction\ninputs:\n  text: string\n  tone: {type: string, default: kind}\n"
        "output: schema.py:Out\nchecks: [schema, python: checks.py:polite]\n",
        files={
            "own.j2": "Own.",
            "schema.py": "raise SystemExit  # never run\nclass Out: ...\n",
            "checks.py": "def polite(output, case): ...\n",
            "tools.json": '[{"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}]',
        },
    )
    prompt = load_prompt(project.project, "p")
    version = prompt.newest
    assert version.params == {"temperature": 0.0, "top_p": 0.9, "max_tokens": 9}
    assert version.includes == {"_shared/tone.j2": "Be {{ tone }}.\n", "own.j2": "Own."}
    assert version.first_line == 6
    assert version.tools[0]["type"] == "function"
    assert [check.name for check in prompt.checks] == ["schema", "python"]
    closure = build_closure(version, prompt.inputs, None)
    assert render(closure, {"text": "hi"}) == (Message("system", "Be kind. Own."), Message("user", "hi"))


def test_the_problems_of_all_files_are_told_at_once(project: TemporaryProject) -> None:
    project.prompt(
        "p", versions={"v1": "{{ a|no }}", "v2": "---\nmodel: gpt-4o\n---\n{{ b._c }}"}, yaml="samples: 0\ncheks: []\n"
    )
    with pytest.raises(ProblemsError) as caught:
        load_prompt(project.project, "p")
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        ("prompts/p/prompt.yaml", 1),
        ("prompts/p/prompt.yaml", 2),
        ("prompts/p/v1.j2", 4),
        ("prompts/p/v2.j2", 2),
        ("prompts/p/v2.j2", 4),
    ]


def test_one_version_loads_by_itself_whatever_its_neighbours_are(project: TemporaryProject) -> None:
    project.prompt("p", versions={"v1": "{{ text }}", "v2": "{{ broken"}, yaml="samples: many\n")
    assert load_version(project.project, "p", "v1").template == "{{ text }}"
    with pytest.raises(ProblemsError, match=r"prompts/p/v2\.j2:4"):
        load_version(project.project, "p", "v2")


def test_a_prompt_folder_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    outside = TemporaryProject(tmp_path / "outside")
    outside.prompt("p", versions={"v1": "{{ text }}"})
    inside = TemporaryProject(tmp_path / "inside")
    inside.prompt("q", versions={"v1": "{{ text }}"})
    (inside.path / "prompts" / "p").symlink_to(outside.path / "prompts" / "p")
    with pytest.raises(ProblemsError, match="leads out of the project"):
        load_prompt(inside.project, "p")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(project: TemporaryProject) -> None:
    folder = project.prompt("p", versions={"v1": "{{ text }}"})
    (folder / "v1.j2").chmod(0)
    with pytest.raises(ProblemsError, match="cannot be read"):
        load_prompt(project.project, "p")
