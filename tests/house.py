"""Counts that say whether the house is in order: uses of foreign private names, of ``Any``, and sizes."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Names for the object or class that a method belongs to.
_OWN = frozenset({"self", "cls", "mcs"})
# What the standard library documents, underscore or not: named tuples, and the frames of sys.
_DOCUMENTED = {"_fields", "_make", "_replace", "_asdict", "_getframe", "_current_frames"}


def foreign_privates(tree: ast.AST, own: frozenset[str] = _OWN) -> Iterator[ast.Attribute]:
    """Go through the places that use an underscore name of another object.

    A method may use the private names of its own object and of its class.
    """
    if isinstance(tree, ast.ClassDef):
        own |= {tree.name}
    if isinstance(tree, ast.Attribute) and tree.attr.startswith("_") and not tree.attr.startswith("__"):
        owner = ast.unparse(tree.value)
        if owner not in own | {"super()", "type(self)"} and tree.attr not in _DOCUMENTED:
            yield tree
    for child in ast.iter_child_nodes(tree):
        yield from foreign_privates(child, own)


def lines_with_any(tree: ast.AST) -> set[int]:
    """Return the lines in which ``Any`` stands as a type."""
    return {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "Any"}


def modules(root: Path) -> Iterator[tuple[str, ast.AST, int]]:
    """Go through the modules of a package: the name of the file, what is in it, and how many lines it has."""
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(root).as_posix(), ast.parse(text), len(text.splitlines())
