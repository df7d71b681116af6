"""Each ``pip install`` that a text names works today, from a clone or a wheel; what the index will have stands once."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VERSION = "2.0.0"
CLONE = {".", "../pygnetic"}  # the folder itself, and the folder seen from a game's folder beside it
WHEEL = re.compile(r"(?:/tmp/)?pygnetic-2\.(?:\*|0\.0-py3-none-any)\.whl")
PUBLISHED = {"pygame", "pygame-ce", "pyenet-vladfi", "msgpack", "msgspec", "pytest"}  # what the index has of others
FILL_INS = {"{record.install}"}  # one of the above, by tests/test_selection.py


def texts() -> dict[str, str]:
    """Return all that people read: the pages, the programs, the library, the files to deploy it."""
    paths = [*ROOT.glob("*.rst"), *(ROOT / "doc").rglob("*"), *(ROOT / "examples").glob("*.py")]
    paths += (ROOT / "pygnetic").rglob("*.py")
    kinds = {".rst", ".py", ".txt", ".service", ".inc", ""}
    found = {}
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and path.suffix in kinds and not name.startswith(("doc/build/", "doc/_static/")):
            found[name] = path.read_text(encoding="utf-8")
    return found


def install_lines() -> list[tuple[str, str]]:
    """Return what stands behind each ``pip install``, up to where the command ends."""
    lines = []
    for name, text in texts().items():
        for found in re.finditer(r"\bpip install +([^\n]*)", text):
            lines.append((name, re.split(r"``| && | \(|\)|, |; |\{'|\"\]|[\"']$", found[1])[0]))
    return lines


def words(line: str) -> list[str]:
    return [word.strip("\"',") for word in line.split() if not word.startswith("-")]


def test_the_line_that_asks_the_index_stands_once() -> None:
    """PyPI has only a pygnetic of 2012, which does not install on Python 3."""
    asked = [(name, line) for name, text in texts().items() for line in text.splitlines() if "pygnetic>=" in line]
    asked += [(name, line) for name, text in texts().items() for line in re.findall(r"pygnetic\[\w+\][^\n]*", text)]
    assert [name for name, _ in asked] == ["README.rst"], asked
    before = texts()["README.rst"].partition("pygnetic>=")[0]
    assert "Once pygnetic 2.0 is published" in " ".join(before[-500:].split())


def test_every_other_line_installs_from_a_clone_a_wheel_or_what_is_published() -> None:
    lines = [(name, line) for name, line in install_lines() if "pygnetic>=" not in line]
    assert len(lines) >= 20
    extras = set(re.findall(r"^(\w+) = \[", PROJECT.partition("[project.optional-dependencies]")[2], re.MULTILINE))
    for name, line in lines:
        for word in words(line):
            path, _, wanted = word.rstrip("]").partition("[") if word not in FILL_INS else ("", "", "")
            known = word in FILL_INS or path in CLONE | PUBLISHED or WHEEL.fullmatch(path)
            assert known, f"{name}: pip install {line}"
            assert set(filter(None, wanted.split(","))) <= extras, f"{name}: pip install {line}"


def test_the_wheel_has_the_name_that_the_pages_say() -> None:
    source = (ROOT / "pygnetic" / "__init__.py").read_text(encoding="utf-8") if (ROOT / "pygnetic").exists() else ""
    assert not source or f'__version__ = "{VERSION}"' in source
    names = {found for text in texts().values() for found in re.findall(r"pygnetic-[\d.]+-py3-none-any\.whl", text)}
    assert names == {f"pygnetic-{VERSION}-py3-none-any.whl"}
