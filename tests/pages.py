"""What the tests of the documentation read pages with."""

import re
from pathlib import Path

DOC = Path(__file__).parent.parent / "doc"


def page(name: str) -> str:
    return (DOC / f"{name}.rst").read_text(encoding="utf-8")


def table(text: str, first_heading: str) -> list[list[str]]:
    """The cells of the list-table whose first heading is this, a row each, without the headings."""
    for found in re.finditer(r"\.\. list-table::\n(?: +:.*\n)+\n((?: +.*\n|\n)+)", text):
        rows = re.split(r"^ +\* -(?= |$)", found[1], flags=re.MULTILINE)[1:]
        cells = [[" ".join(cell.split()) for cell in re.split(r"^ +-(?= |$)", row, flags=re.MULTILINE)] for row in rows]
        if cells[0][0] == first_heading:
            return cells[1:]
    raise AssertionError(f"no table begins with {first_heading!r}")
