"""Imports go down only, by the list in ``floors.py``: read from the source of every module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from floors import FLOORS, LIBRARIES, TABLE, table

import pygnetic

PACKAGE = Path(pygnetic.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
# an installed package holds the examples, too
SOURCES = {name: path for name, path in SOURCES.items() if not name.startswith("pygnetic.examples")}


def imports(source: str) -> Iterator[str]:
    """Every module that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports of this package are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in SOURCES else str(node.module)


def upward(module: str, source: str) -> list[str]:
    """The imports of our own that do not go down."""
    ours = [name for name in imports(source) if name.partition(".")[0] == "pygnetic"]
    return [name for name in ours if FLOORS[name] >= FLOORS[module]]


def test_every_module_stands_on_a_floor() -> None:
    assert set(SOURCES) == set(FLOORS)


def test_the_documentation_has_the_list() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(), "python tests/floors.py"
    assert f".. include:: _generated/{TABLE.name}\n" in (TABLE.parent.parent / "design.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", FLOORS)
def test_imports_go_down(module: str) -> None:
    # strictly down, so that there can be no cycle either
    assert upward(module, SOURCES[module].read_text()) == []


@pytest.mark.parametrize("module", FLOORS)
def test_libraries(module: str) -> None:
    names = {name.partition(".")[0] for name in imports(SOURCES[module].read_text())}
    assert names - {"pygnetic"} - sys.stdlib_module_names == LIBRARIES.get(module, set())


@pytest.mark.parametrize(("module", "function"), [("event", "init"), ("netgraph", "__init__")])
def test_pygame_is_imported_only_inside_init(module: str, function: str) -> None:
    tree = ast.parse(SOURCES[f"pygnetic.{module}"].read_text())
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    found = [(body, node) for body in bodies for node in body if getattr(node, "name", "") == function]
    body, init = next((body, node) for body, node in found if "pygame" in imports(ast.unparse(node)))
    body.remove(init)
    assert "pygame" not in imports(ast.unparse(tree))


@pytest.mark.parametrize(
    "line",
    ["from pygnetic import server", "from pygnetic.connection import Connection", "import pygnetic.client",
     "def f():\n    from pygnetic.message import MessageFactory"],
)  # fmt: skip
def test_the_reader_sees_an_upward_import(line: str) -> None:
    assert len(upward("pygnetic.message", line)) == 1


def test_import_brings_no_library() -> None:
    program = """
import sys, pygnetic
print([name for name in ('pygame', 'enet', 'msgpack', 'msgspec', 'asyncio') if sys.modules.get(name)])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout == "[]\n", done.stderr
