"""``python -m pygnetic demo``: the arena, from the one source that the documentation shows."""

import importlib.util
import os
import sys
from pathlib import Path

__all__: list[str] = []

_PACKAGE = Path(__file__).resolve().parent.parent
_WITHOUT_WINDOW = {"--server-only", "--child", "--help", "-h"}


def find() -> Path | None:
    """Return where the arena is: in the installed package, or beside the package in a checkout."""
    for folder in (_PACKAGE / "examples", _PACKAGE.parent / "examples"):
        if (folder / "arena.py").is_file():
            return folder / "arena.py"
    return None


def _have_pygame() -> bool:
    try:
        return importlib.util.find_spec("pygame") is not None
    except ValueError:  # somebody has put None into sys.modules
        return False


def demo(arguments: list[str]) -> object:
    """Run the arena with its own arguments; return what ``sys.exit()`` shall get."""
    path = find()
    if path is None:
        return (
            "The arena is not here. It is in the wheel, and in the folder examples/ of the source that pygnetic was "
            "copied from: install one of them with pip."
        )
    if not _WITHOUT_WINDOW.intersection(arguments) and not _have_pygame():
        return "the arena's window needs pygame: pip install pygame-ce (or pygame)"
    spec = importlib.util.spec_from_file_location("arena", path)
    assert spec is not None and spec.loader is not None
    arena = importlib.util.module_from_spec(spec)
    # the arena starts more processes, which must find this same pygnetic
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH"))))
    sys.argv[0] = "python -m pygnetic demo"
    spec.loader.exec_module(arena)
    return arena.main(arguments)
