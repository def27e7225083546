"""The layers of ARCHITECTURE.md, read from the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "promptops"

ORDER: list[set[str]] = [
    {"errors", "startup", "times"},
    {"models", "formats", "config", "mistakes", "scratch"},
    {"core"},
    {"project", "providers", "store"},
    {"runner", "release"},
    {"reporting"},
    {"cli", "_pytest", "loader", "testing"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
WITHIN = {("formats", "models"), ("config", "formats"), ("config", "mistakes"), ("config", "models")}
OUTSIDE = {"pytest_plugin", "__init__", "__main__"}
NOT_PURE = {("limits.py", "time")}  # a rendering is cut off by the processor time it used: a cap, not a decision
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every `promptops.<part>` that a module imports, at the top, in a function or for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "promptops":
                    yield node.lineno, [*alias.name.split("."), ""][1]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "promptops":
            parts = node.module.split(".")
            yield from ((node.lineno, parts[1] if len(parts) > 1 else alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "a relative import"


def allowed(importer: str, imported: str) -> bool:
    if importer in OUTSIDE or importer == imported:
        return True
    if imported not in RANK:
        return False
    return RANK[imported] < RANK[importer] or (importer, imported) in WITHIN


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_layers_below(path: Path) -> None:
    wrong = [
        f"line {line}: {name or 'promptops'}" for line, name in imports_of(path) if not allowed(part_of(path), name)
    ]
    assert not wrong, f"{path.relative_to(PACKAGE)} imports from its own rank or above: {', '.join(wrong)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_belongs_to_a_layer(path: Path) -> None:
    assert part_of(path) in RANK or part_of(path) in OUTSIDE


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_touches_no_file_clock_network_or_environment(path: Path) -> None:
    banned = {
        "os",
        "pathlib",
        "socket",
        "subprocess",
        "time",
        "random",
        "secrets",
        "httpx",
        "git",
        "sqlite3",
        "asyncio",
    }
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found = {(path.name, name.split(".")[0]) for name in names} - NOT_PURE
            assert not banned & {name for _, name in found}, f"{path.name}:{node.lineno} is not pure"
    assert "scratch" not in {name for _, name in imports_of(path)}


@pytest.mark.parametrize(
    ("importer", "imported", "fine"),
    [
        ("core", "models", True),
        ("models", "core", False),
        ("project", "store", False),
        ("release", "runner", False),
        ("cli", "reporting", True),
        ("core", "nothing", False),
        ("config", "formats", True),
        ("formats", "config", False),
    ],
)
def test_the_rule_itself(importer: str, imported: str, fine: bool) -> None:
    assert allowed(importer, imported) is fine
