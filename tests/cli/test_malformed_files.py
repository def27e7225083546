"""Malformed and hostile files of every kind, through the real commands: a message that names the file, never a crash.

Each row breaks one file of a healthy project. Exit code 70 would be a crash, 130 and silence are wrong too.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import TemporaryProject
from tests.plugin.world import World

Break = Callable[[Path], object]

HEAD = "---\nmodel: test/model-1\n---\n"
BODY = "{% user %}{{ text }}{% enduser %}\n"
INPUTS = "inputs: {text: string}\n"
ROW = '{"id": "c1", "inputs": {"text": "x"}}\n'
TABLE = "[tool.promptops]\n"
NEWEST = "prompts/victim/v2.j2"
YAML = "prompts/victim/prompt.yaml"
CASES = "fixtures/victim/cases.jsonl"
CLOSURE = "prompts/victim/released/v1.json"
EVIDENCE = "prompts/victim/evidence/v1.json"
MANIFEST = "prompts/manifest.yaml"
CONFIG = "pyproject.toml"
RECORDINGS = "fixtures/victim/recordings/v1/test%2Fmodel-1.jsonl"


# --- ways to break a file ---------------------------------------------------------------------------------------------


def text(content: str | bytes) -> Callable[[Path], None]:
    """Replace the file."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")

    def apply(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return apply


def edited(old: str, new: str) -> Callable[[Path], None]:
    """Replace the first `old` in the file."""

    def apply(path: Path) -> None:
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_bytes(content.replace(old, new, 1).encode("utf-8", "surrogatepass"))

    return apply


def field(*keys: str, value: Any) -> Callable[[Path], None]:
    """Set one value of a JSON file."""

    def apply(path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        node = document
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        path.write_text(json.dumps(document), encoding="utf-8")

    return apply


def head(lines: str) -> Callable[[Path], None]:
    """A version file with this front matter."""
    return text(f"---\n{lines}\n---\n{BODY}")


def body(template: str) -> Callable[[Path], None]:
    """A version file with this template."""
    return text(HEAD + template)


def settings(lines: str) -> Callable[[Path], None]:
    """A prompt.yaml that declares its input and goes on with `lines`."""
    return text(INPUTS + lines)


def instead(make: Break) -> Callable[[Path], None]:
    """Something else where the file was."""

    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


def a_socket(path: Path) -> None:
    folder = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(folder)


def a_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 << 30)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "folder": instead(Path.mkdir),
    "fifo": instead(os.mkfifo),
    "socket": instead(a_socket),
    "dangling link": instead(lambda path: path.symlink_to("nowhere")),
    "endless device": instead(lambda path: path.symlink_to("/dev/zero")),
    "five gigabytes": instead(a_sparse_file),
    "nothing in it": text(""),
    "binary": text(b"\x7fELF\0\0\xff\xfe" * 50),
    "UTF-16": text("format: 1\n".encode("utf-16")),
    "byte order mark": text("\ufeffformat: 1\n"),
    "merge conflict": text("<<<<<<< ours\n=======\n>>>>>>> theirs\n"),
}

# --- the tables: what is broken, and a word of the message ------------------------------------------------------------

VERSIONS: list[tuple[str, Break, str]] = [
    ("no front matter", text(BODY), "v2.j2:1: has no front matter"),
    ("front matter without end", text("---\nmodel: test/model-1\n"), "v2.j2:1: has front matter without an end"),
    ("no template", text(HEAD), "v2.j2:3: has no template"),
    ("a list", head("- model"), "v2.j2:2: must be a mapping"),
    ("broken YAML", head("model: [a"), "v2.j2"),
    ("tabs", head("\tmodel: a/b"), "v2.j2:2: is not YAML"),
    ("a key twice", head("model: a/b\nmodel: a/c"), "v2.j2:3: the key 'model' is here twice"),
    ("anchor", head("model: &x a/b"), "v2.j2:2: anchor &x is not allowed"),
    ("alias", head("model: a/b\nparams: *x"), "v2.j2"),
    ("a tag that runs code", head("model: !!python/object/apply:os.system ['x']"), "v2.j2:2: tag"),
    ("merge key", head("model: a/b\n<<: {a: 1}"), "v2.j2:3: merge keys"),
    ("directive", text("---\n%YAML 1.1\nmodel: a/b\n---\n" + BODY), "v2.j2"),
    ("endless nesting", head("model: a/b\nparams: " + "[" * 5_000), "v2.j2:3: is nested deeper"),
    ("too large", text(HEAD + "x" * 1_100_000), "v2.j2: is larger"),
    ("Latin-1", text((HEAD + "é").encode("latin-1")), "v2.j2:4: is not UTF-8"),
    ("NUL", body("{{ text }}\0"), "v2.j2:4: is binary"),
    ("half a character", text(HEAD.encode() + b"{{ text }}\xed\xa0\x80"), "v2.j2:4: is not UTF-8"),
    ("unknown key", head("model: a/b\nmodle: x"), "v2.j2:3: modle: unknown key, did you mean 'model'?"),
    ("no model", head("params: {}"), "the key 'model' is missing"),
    ("model is a number", head("model: 1"), "v2.j2:2"),
    ("model without provider", head("model: gpt"), "v2.j2:2: model: 'gpt' is not a pin"),
    ("floating model", head("model: openai/gpt-4o"), "v2.j2:2: model: 'openai/gpt-4o' floats"),
    ("terminal code in a model", head('model: "a/b\\e[31m"'), "v2.j2:2"),
    ("unknown param", head("model: a/b\nparams: {temprature: 0}"), "v2.j2:3: unknown param 'temprature'"),
    ("param of a wrong type", head("model: a/b\nparams: {max_tokens: true}"), "v2.j2:3: max_tokens must be"),
    ("param replaces the prompt", head("model: a/b\nparams: {extra_body: {messages: []}}"), "may not set messages"),
    ("not a number", head("model: a/b\nparams: {temperature: .nan}"), "v2.j2:3"),
    ("tools outside", head("model: a/b\ntools: ../../x.json"), "v2.j2: tools:"),
    ("tools missing", head("model: a/b\ntools: none.json"), "none.json: does not exist"),
    ("syntax", body("\n{{ text"), "v2.j2:5"),
    ("unknown filter", body("{{ text|upperr }}"), "v2.j2:4: unknown filter 'upperr', did you mean 'upper'?"),
    ("unknown variable", body("{{ txet }}{{ text }}"), "v2.j2:4: 'txet' is not declared"),
    ("escape", body("{{ text.__class__ }}"), "v2.j2:4: '__class__' begins with an underscore"),
    ("absolute include", body("{{ text }}{% include '/etc/passwd' %}"), "v2.j2:4: '/etc/passwd' is not a name inside"),
    ("include upwards", body("{{ text }}{% include '../../../etc/passwd' %}"), "is not a name inside"),
    ("include of itself", body("{{ text }}{% include 'v2.j2' %}"), "includes itself"),
    ("include missing", body("{{ text }}{% include 'none.j2' %}"), "v2.j2:4: there is no template 'none.j2'"),
    ("include of a folder", body("{{ text }}{% include 'released' %}"), "v2.j2:4: cannot include"),
    ("endless expression", body("{{ " + "text and " * 5_000 + "text }}"), "v2.j2:4: cannot be compiled"),
    ("endless template", body(BODY * 5_000), "more than 20,000 words of Jinja"),
    ("a huge number", body("{{ text }}{{ 1" + "0" * 5_000 + " }}"), "v2.j2"),
]

SETTINGS: list[tuple[str, Break, str]] = [
    ("a list", text("- a"), "prompt.yaml:1: must be a mapping"),
    ("broken YAML", text("inputs: {"), "prompt.yaml"),
    ("two documents", text(INPUTS + "---\na: b\n"), "prompt.yaml:2: a second document"),
    ("unknown key", settings("smaples: 1"), "prompt.yaml:2: smaples: unknown key, did you mean 'samples'?"),
    ("unknown type", text("inputs: {text: strng}"), "prompt.yaml:1: inputs.text: unknown type"),
    ("remote schema", text("inputs: {text: {$ref: 'http://x/y'}}"), "prompt.yaml:1"),
    ("schema leads nowhere", text("inputs: {text: {$ref: '#/nope'}}"), "prompt.yaml:1: inputs.text: $ref"),
    ("schema in a circle", text("inputs: {text: {allOf: [{$ref: '#'}]}}"), "refers to itself without end"),
    ("unused input", text("inputs: {text: string, extra: string}"), "no version uses the input 'extra'"),
    ("samples", settings("samples: 0"), "prompt.yaml:2: samples"),
    ("gate", settings("gate: maybe"), "prompt.yaml:2: gate"),
    ("pass rate", settings("pass_rate: 2"), "prompt.yaml:2: pass_rate"),
    ("budgets", settings("budgets: {cost: 1}"), "prompt.yaml:2: budgets.cost: unknown key"),
    ("canary", settings("canary: {alpha: 2}"), "prompt.yaml:2: canary.alpha"),
    ("redact", settings("redact: ['(']"), "prompt.yaml:2: redact"),
    ("unknown check", settings("checks: [contians: x]"), "prompt.yaml:2"),
    ("check of two keys", settings("checks: [{contains: a, regex: b}]"), "prompt.yaml:2"),
    ("checks are no list", settings("checks: {}"), "prompt.yaml:2"),
    ("broken pattern", settings("checks: [regex: '(']"), "prompt.yaml:2"),
    ("broken path", settings("checks: [json_path: '$[']"), "prompt.yaml:2"),
    ("check function missing", settings("checks: [python: checks.py:f]"), "prompt.yaml:2"),
    ("check outside", settings("checks: [python: ../x.py:f]"), "prompt.yaml:2"),
    ("code in a path", settings("checks: [matches: {exclude_paths: [\"root[exit()]\"]}]"), "prompt.yaml:2"),
    ("contract missing", settings("output: none.json"), "none.json: does not exist"),
    ("contract outside", settings("output: ../x.py:Y"), "prompt.yaml:2: output"),
    ("dataset outside", settings("dataset: ../../../etc/passwd"), "lies outside of the project"),
    ("dataset missing", settings("dataset: none.jsonl"), "does not exist"),
    ("dataset with an endless name", settings(f"dataset: {'a' * 5_000}"), "does not exist"),
    ("no duration", settings("budgets: {p95_latency: fast}"), "prompt.yaml:2: budgets.p95_latency"),
    ("nothing but problems", text("a: 1\n" * 20_000), "too many problems above"),
]  # fmt: skip

DATASETS: list[tuple[str, Break, str]] = [
    ("not JSON", text(ROW + "{\n"), "cases.jsonl:2"),
    ("a list", text("[]\n"), "cases.jsonl:1"),
    ("no id", text('{"inputs": {"text": "x"}}\n'), "cases.jsonl:1"),
    ("an id twice", text(ROW + ROW), "cases.jsonl:2"),
    ("id with a path", text(ROW.replace("c1", "../x")), "cases.jsonl:1"),
    ("id with a terminal code", text(ROW.replace("c1", "c\\u001b[31m")), "cases.jsonl:1"),
    ("unknown input", text(ROW.replace("text", "txt")), "cases.jsonl:1"),
    ("input of a wrong type", text(ROW.replace('"x"', "1")), "cases.jsonl:1"),
    ("NaN", text(ROW.replace('"x"', "NaN")), "cases.jsonl:1"),
    ("half a character", text(ROW.replace('"x"', '"\\ud800"')), "cases.jsonl:1"),
    ("nested endlessly", text(ROW.replace("}}", '}, "expected": ' + "[" * 50_000 + "]" * 50_000 + "}")), "cases.jsonl"),
    ("a huge number", text(ROW.replace("}}", '}, "expected": 1' + "0" * 6_000 + "}")), "cases.jsonl:1"),
    ("a check misspelt", text(ROW.replace("}}", '}, "checks": ["nope"]}')), "cases.jsonl:1"),
    ("a check function missing", text(ROW.replace("}}", '}, "checks": [{"python": "none.py:f"}]}')), "cases.jsonl:1"),
    ("no case", text("\n\n"), "cases.jsonl: holds no case"),
]

CLOSURES: list[tuple[str, Break, str]] = [
    ("cut off", edited('"version": "v1"', ""), "v1.json"),
    ("a list", text("[]"), "v1.json"),
    ("nested endlessly", text("[" * 200_000), "v1.json: is nested too deeply"),
    ("a key twice", edited("{", '{"digest": 1, "digest": 2,'), "v1.json"),
    ("another digest", field("digest", value="sha256:" + "0" * 64), "v1.json: was edited"),
    ("another template", field("closure", "template", value="{{ text }}!"), "v1.json: was edited"),
    ("another prompt", field("closure", "prompt", value="other"), "is the closure of other@v1"),
    ("unknown key", field("closure", "modle", value=1), "unknown key"),
    ("no pin", field("closure", "model", value=3), "v1.json"),
]

EVIDENCES: list[tuple[str, Break, str]] = [
    ("a text", text('"x"'), "v1.json"),
    ("another version", field("version", value="v9"), "is the evidence of victim@v9"),
    ("unknown key", field("foo", value=1), "unknown key"),
    ("no list", field("runs", value={}), "v1.json"),
    ("a wrong outcome", field("accepted", "cases", "c1", "outcome", value="great"), "v1.json"),
    ("a digest that is none", field("accepted", "version", value="abc"), "v1.json"),
    ("NaN", edited("{", '{"x": NaN,'), "NaN"),
]

MANIFESTS: list[tuple[str, Break, str]] = [
    ("a list", text("[]"), "manifest.yaml:1: must be a mapping"),
    ("another format", edited("format: 1", "format: 2"), "manifest.yaml:2"),
    ("an environment twice", edited("environments:", "environments:\n  production: {}"), "manifest.yaml"),
    ("another digest", edited('digest: "sha256:', 'digest: "sha256:0'), "manifest.yaml:10"),
    ("a version that is none", edited("version: v1", "version: one"), "manifest.yaml:8"),
    ("a version that is gone", edited("version: v1", "version: v7"), "v7"),
    ("another pin", edited("pin: test/model-1", "pin: test/other"), "says pin test/other"),
    ("stolen", edited("how: adopted", "how: stolen"), "manifest.yaml"),
    ("a policy that is none", edited("require: no-regression", "require: luck"), "manifest.yaml:5"),
    ("alias", text("format: 1\nenvironments: {a: &x {}}\n"), "manifest.yaml:2: anchor"),
]

CONFIGS: list[tuple[str, Break, str]] = [
    ("broken TOML", text("[tool.promptops"), "is not TOML"),
    ("nested endlessly", text(TABLE + "x = " + "[" * 5_000), "cannot be read as TOML"),
    ("a huge number", text(TABLE + "x = 1" + "0" * 6_000), "cannot be read as TOML"),
    ("tool is a number", text("tool = 3\n[tool.promptops]\n"), "is not TOML"),
    ("a text", text('[tool]\npromptops = "x"\n'), "tool.promptops"),
    ("a list", text("[[tool.promptops]]\n"), "tool.promptops"),
    ("unknown key", text(TABLE + "promts = 'x'\n"), "pyproject.toml:2: tool.promptops.promts: unknown key"),
    ("folder outside", text(TABLE + "prompts = '../x'\n"), "is no folder inside the project"),
    ("budget", text(TABLE + "budget = nan\n"), "tool.promptops.budget"),
    ("duration", text(TABLE + "[tool.promptops.providers.a]\nbase_url = 'http://x'\ntimeout = '²s'\n"), "timeout"),
    ("key variable", text(TABLE + "[tool.promptops.providers.a]\nbase_url = 'x'\napi_key_env = 'HOME'\n"), "api_key"),
    ("prices", text(TABLE + "[tool.promptops.prices]\nx = [1]\n"), "tool.promptops.prices"),
    ("Latin-1", text((TABLE + "# é").encode("latin-1")), "pyproject.toml: is not UTF-8"),
]

LINES: list[tuple[str, Break, str]] = [
    ("cut off", edited("}\n", "\n"), "test%2Fmodel-1.jsonl:1: is not JSON"),
    ("edited", edited("yes", "no"), "test%2Fmodel-1.jsonl:1"),
    ("a field of a wrong type", edited('"sample": 0', '"sample": "0"'), "test%2Fmodel-1.jsonl:1"),
    ("NaN", edited('"latency": 0.25', '"latency": NaN'), "test%2Fmodel-1.jsonl:1"),
    ("unknown key", edited('"sample": 0', '"sample": 0, "smaple": 1'), "unknown key 'smaple'"),
    ("nested endlessly", edited('"tool_calls": []', '"tool_calls": ' + "[" * 5_000 + "]" * 5_000), "jsonl:1"),
    ("half a character", edited("yes", "\\ud800"), "test%2Fmodel-1.jsonl:1"),
]

LINT, VERIFY, LIST = ["lint"], ["verify"], ["list"]
CANARY = ["canary", "victim@v2", "--mode", "replay"]
PROMOTE = ["promote", "victim@v2", "--to", "production", "--dry-run"]
ROLLBACK = ["rollback", "victim", "--env", "production", "--dry-run"]
RUN_NEWEST = ["run", "victim@v2", "--mode", "replay", "--no-evidence"]
RUN_SERVED = ["run", "victim@v1", "--mode", "replay", "--no-evidence"]

TABLES: list[tuple[str, list[tuple[str, Break, str]], list[list[str]]]] = [
    (NEWEST, VERSIONS, [LINT, RUN_NEWEST]),
    (YAML, SETTINGS, [LINT, RUN_NEWEST]),
    (CASES, DATASETS, [LINT, RUN_NEWEST]),
    (CLOSURE, CLOSURES, [VERIFY, CANARY]),
    (EVIDENCE, EVIDENCES, [VERIFY]),
    (MANIFEST, MANIFESTS, [VERIFY, PROMOTE]),
    (CONFIG, CONFIGS, [LINT, VERIFY]),
    (RECORDINGS, LINES, [VERIFY, RUN_SERVED]),
]
ROWS = [
    pytest.param(path, broken, words, commands, id=f"{path.rpartition('/')[2]}: {name}")
    for path, table, commands in TABLES
    for name, broken, words in table
]
SPECIAL_FILES = {
    NEWEST: [LINT, ["bump", "victim"]],
    YAML: [LINT],
    CASES: [LINT],
    CLOSURE: [VERIFY, LIST],
    EVIDENCE: [VERIFY, ["accept", "victim@v1", "--dry-run"]],
    MANIFEST: [VERIFY, ROLLBACK],
    CONFIG: [LINT],
    RECORDINGS: [VERIFY, RUN_SERVED],
}

NOTHING_WRONG = {
    (YAML, "nothing in it"),
    (RECORDINGS, "nothing in it"),
    *((CONFIG, kind) for kind in ("folder", "fifo", "socket", "dangling link", "endless device", "nothing in it")),
}


# --- the project, and the tests ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`victim` with a served v1 and a candidate v2, and the prompt `other`, all recorded."""
    files = TemporaryProject(tmp_path_factory.mktemp("healthy"))
    files.provider("test", "http://127.0.0.1:9/v1")
    world = World(None, files)  # type: ignore[arg-type]  # nothing is run by pytest here
    for name in ("victim", "other"):
        world.greeting(name=name, versions=2, cases=2)
        for version in ("v1", "v2"):
            world.record(version, "yes", name=name)
        world.serve("v1", name=name)
    return files.path


@pytest.fixture
def project(healthy: Path, in_folder: Path) -> Path:
    """A copy of the healthy project, and the current folder."""
    shutil.copytree(healthy, in_folder, dirs_exist_ok=True)
    return in_folder


def told(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    """The exit code of a command, and everything that it wrote; never a traceback, never silence about a failure."""
    capfd.readouterr()
    code = run(arguments)
    said = "".join(capfd.readouterr())
    assert code in (0, 1, 2, 10, 11), (arguments, code, said)
    assert "Traceback" not in said
    assert said.strip() or code == 0
    assert not set(said) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
    return code, said


def test_the_project_is_healthy_before_anything_is_broken(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert project == Path.cwd()
    assert [told(capfd, command)[0] for command in (LINT, VERIFY, LIST, RUN_NEWEST, RUN_SERVED)] == [0] * 5
    assert told(capfd, CANARY)[0] == 11
    assert told(capfd, PROMOTE)[0] == 0


@pytest.mark.parametrize(("path", "broken", "words", "commands"), ROWS)
def test_a_broken_file_is_named_with_what_is_wrong(
    project: Path, capfd: pytest.CaptureFixture[str], path: str, broken: Break, words: str, commands: list[list[str]]
) -> None:
    broken(project / path)
    said = [told(capfd, command) for command in commands]
    assert said[0][0] in (1, 2), said
    assert words in said[0][1].replace("\n    ", ": ")  # verify has the message below the place


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("path", SPECIAL_FILES)
def test_what_is_no_text_file_at_all_is_named_too(
    project: Path, capfd: pytest.CaptureFixture[str], path: str, kind: str
) -> None:
    SPECIAL[kind](project / path)
    said = [told(capfd, command) for command in SPECIAL_FILES[path]]
    if (path, kind) not in NOTHING_WRONG:
        assert any(code in (1, 2) and Path(path).name in words for code, words in said), said


@pytest.mark.parametrize("link", ["released", "evidence", "../../fixtures/victim/recordings"])
def test_a_folder_that_is_a_circle_of_links_is_no_crash(
    project: Path, capfd: pytest.CaptureFixture[str], link: str
) -> None:
    folder = project / "prompts/victim" / link
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)
    codes = [told(capfd, command)[0] for command in (VERIFY, LINT, LIST)]
    assert link != "released" or codes[0] == 1


@pytest.mark.parametrize(
    ("path", "broken", "words"),
    [
        (NEWEST, body("{{ text"), "v2.j2:4"),
        *((NEWEST, SPECIAL[kind], "v2.j2: ") for kind in ("fifo", "folder", "dangling link", "endless device")),
        (YAML, text("- a"), "prompt.yaml:1"),
        (CASES, text("{\n"), "cases.jsonl:1"),
        (CLOSURE, text("[]"), "v1.json"),
        (EVIDENCE, SPECIAL["binary"], "v1.json"),
        (RECORDINGS, text("{\n"), "test%2Fmodel-1.jsonl:1"),
    ],
)
def test_pytest_tells_it_too_and_tests_the_other_prompts(
    healthy: Path, pytester: pytest.Pytester, path: str, broken: Break, words: str
) -> None:
    shutil.copytree(healthy, pytester.path, dirs_exist_ok=True)
    broken(pytester.path / path)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--promptops", "-rA")
    said = result.stdout.str()
    assert result.ret in (1, 10)
    assert words in said
    assert said.count("PASSED prompts/other/") == 4
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
