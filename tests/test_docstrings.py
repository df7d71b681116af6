"""The examples in the docstrings run as printed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pygnetic

PACKAGE = Path(pygnetic.__file__).parent
NEEDS = {"enet_adapter.py": "enet", "msgpack_adapter.py": "msgpack", "msgspec_adapter.py": "msgspec"}
# A fresh interpreter for each, since examples register messages and choose adapters.
PROGRAM = """
import doctest, importlib, sys
failed, tried = doctest.testmod(importlib.import_module(sys.argv[1]))
print(tried)
sys.exit(failed > 0)
"""


def with_examples() -> list[Path]:
    def runs(line: str) -> bool:
        return ">>> " in line and "+SKIP" not in line

    return [path for path in sorted(PACKAGE.rglob("*.py")) if any(map(runs, path.read_text().splitlines()))]


@pytest.mark.parametrize("path", with_examples(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_examples(path: Path) -> None:
    if path.name in NEEDS:
        pytest.importorskip(NEEDS[path.name])
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 0


def test_there_are_modules_with_examples() -> None:
    assert len(with_examples()) >= 10


def test_docstrings_have_no_tabs_and_no_python_2() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node, clean=False) or ""
                assert "\t" not in text and "print '" not in text, path
