"""Counts that say whether the house is in order: uses of foreign private names, of ``Any``, and sizes."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Names for the object or class that a method belongs to.
_OWN = {"self", "cls", "mcs"}


def foreign_privates(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Go through the places that use an underscore name of another object.

    A class may use the private names of itself, of ``super()``, and of the objects it makes by its own name.
    """
    yield from _foreign(tree, frozenset(_OWN))


def _foreign(node: ast.AST, own: frozenset[str]) -> Iterator[ast.Attribute]:
    if isinstance(node, ast.ClassDef):
        own |= {node.name}
    if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
        owner = node.value
        by_name = isinstance(owner, ast.Name) and owner.id in own
        by_super = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
        by_type = isinstance(owner, ast.Call) and ast.unparse(owner) == "type(self)"
        if not (by_name or by_super or by_type):
            yield node
    for child in ast.iter_child_nodes(node):
        yield from _foreign(child, own)


def uses_of_any(tree: ast.AST) -> Iterator[ast.Name]:
    """Go through the places where ``Any`` stands as a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "Any":
            yield node


def places(root: Path) -> Iterator[tuple[str, ast.AST, int]]:
    """Go through the modules of a package: the name of the file, what is in it, and how many lines it has."""
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(root).as_posix(), ast.parse(text), len(text.splitlines())
