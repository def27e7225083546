"""The files that `init` and `new` write: a project that works as it is, on a model that needs no key."""

from __future__ import annotations

from pathlib import Path

PIN = "local/smollm2-135m-instruct@b179c9523d0e"

TABLE = """\
[tool.promptops]
environment = "production"

# [tool.promptops.providers.acme]          # a pin is then acme/<model-id>
# base_url = "https://llm.acme.example/v1"
# api_key_env = "ACME_API_KEY"
"""

ATTRIBUTES = """\
fixtures/**/recordings/** text eol=lf linguist-generated
prompts/**/released/*.json text eol=lf linguist-generated
prompts/**/evidence/*.json text eol=lf linguist-generated
prompts/**/*.j2 text eol=lf
"""

IGNORE = ".promptops/\n"
NEW_IGNORE = ".promptops/\n.venv/\n__pycache__/\n"
"""Of a project that has none yet: `git add .` must not take a virtual environment in."""

EXAMPLES = (
    ("The toy broke on the first day.", "negative"),
    ("The hotel was clean and the breakfast was great.", "positive"),
    ("Terrible sound and rude staff.", "negative"),
    ("What a wonderful evening, thank you!", "positive"),
    ("My parcel was lost and nobody helped me.", "negative"),
    ("The soap smells lovely and lasts long.", "positive"),
    ("The battery is weak and the case is cracked.", "negative"),
    ("A relaxing trip with very kind hosts.", "positive"),
)

SETTINGS = """\
description: Is a review positive or negative?
task: classification
inputs:
  text: string
checks:
  - equals
"""

CASES = """\
{"id": "c1", "inputs": {"text": "A wonderful film, I would see it again."}, "expected": "positive", "tags": ["quick"]}
{"id": "c2", "inputs": {"text": "Two hours of my life that I want back."}, "expected": "negative", "tags": ["quick"]}
{"id": "c3", "inputs": {"text": "The soup was cold and the waiter was rude."}, "expected": "negative"}
{"id": "c4", "inputs": {"text": "Fast delivery, and it works perfectly."}, "expected": "positive"}
{"id": "c5", "inputs": {"text": "It broke on the second day."}, "expected": "negative"}
{"id": "c6", "inputs": {"text": "Best coffee in town."}, "expected": "positive"}
"""


def version_text() -> str:
    """A first version that works: a small model needs examples."""
    lines = [
        "---",
        f"model: {PIN}",
        "params: {temperature: 0.0, max_tokens: 8}",
        "---",
        "{% system %}Classify each review as positive or negative.{% endsystem %}",
    ]
    for review, label in EXAMPLES:
        lines.append(f"{{% user %}}Review: {review}\nSentiment:{{% enduser %}}")
        lines.append(f"{{% assistant %}}{label}{{% endassistant %}}")
    return "\n".join([*lines, "{% user %}Review: {{ text }}\nSentiment:{% enduser %}", ""])


def prompt_files(name: str, *, prompts: str = "prompts", fixtures: str = "fixtures") -> dict[str, str]:
    """The files of one prompt, by their path from the project's root."""
    return {
        f"{prompts}/{name}/v1.j2": version_text(),
        f"{prompts}/{name}/prompt.yaml": SETTINGS,
        f"{fixtures}/{name}/cases.jsonl": CASES,
    }


def write_new(root: Path, files: dict[str, str]) -> tuple[list[str], list[str]]:
    """Write the files that are not there; returns what was written and what was left alone."""
    written, kept = [], []
    for relative, text in files.items():
        path = root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            kept.append(relative)
        else:
            written.append(relative)
    return written, kept


def add_lines(path: Path, text: str) -> bool:
    """Add those lines of `text` that a file does not have; True where something was added."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    known = {line.strip() for line in before.splitlines()}
    missing = [line for line in text.splitlines() if line.strip() not in known]
    if missing:
        gap = "" if not before or before.endswith("\n") else "\n"
        path.write_text(before + gap + "\n".join(missing) + "\n", encoding="utf-8")
    return bool(missing)
