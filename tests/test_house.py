"""The house stays in order: few uses of foreign private names, types that say something, small modules."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest
from house import foreign_privates, lines_with_any, modules

import pygnetic

MODULES = list(modules(Path(pygnetic.__file__).parent))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("peer._state", ["peer._state"]),
        ("peer._state = 1", ["peer._state"]),
        ("del peer.inner._state", ["peer.inner._state"]),
        ("f()._state", ["f()._state"]),
        ("self._peer._state", ["self._peer._state"]),
        ("class A:\n def f(self): return self._a, A._b, super()._c, type(self)._d", []),
        ("class A: pass\nA._b", ["A._b"]),
        ("peer.__class__, message._fields, sys._getframe()", []),
    ],
)
def test_foreign_privates_are_counted(source: str, found: list[str]) -> None:
    assert [ast.unparse(node) for node in foreign_privates(ast.parse(source))] == found


def test_lines_with_any_are_counted() -> None:
    source = "from typing import Any\ndef f(a: Any, b: Any) -> list[Any]: ...\nc = any(b)\nd: Any = 1\n"
    assert lines_with_any(ast.parse(source)) == {2, 4}


def test_few_foreign_private_names_are_used() -> None:
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)}" for name, tree, _ in MODULES for node in foreign_privates(tree)
    ]
    assert len(found) < 15, "\n".join(found)


def test_types_say_what_flows() -> None:
    found = [f"{name}:{line}" for name, tree, _ in MODULES for line in sorted(lines_with_any(tree))]
    lines = sum(count for _, _, count in MODULES)
    assert 1000 * len(found) / lines < 10, "\n".join(found)


def test_modules_are_small() -> None:
    assert [f"{name}: {count} lines" for name, _, count in MODULES if count > 350] == []
    assert median(count for _, _, count in MODULES) <= 150
