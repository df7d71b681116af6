"""The public names, one by one: a reader's program finds each of them where it was.

``public_api.txt`` is the list; after a name was added on purpose, ``python tests/test_public_api.py`` writes it anew.
"""

import importlib
import inspect
import sys
from pathlib import Path
from types import GenericAlias

import pytest

from pygnetic.message import MessageFactory

LIST = Path(__file__).with_name("public_api.txt")
MODULES = [
    "pygnetic", "pygnetic.client", "pygnetic.connection", "pygnetic.errors", "pygnetic.event", "pygnetic.handler",
    "pygnetic.limits", "pygnetic.message", "pygnetic.netgraph", "pygnetic.network", "pygnetic.network.base",
    "pygnetic.network.enet_adapter", "pygnetic.network.enet_filter", "pygnetic.network.memory_adapter",
    "pygnetic.network.socket_adapter", "pygnetic.serialization", "pygnetic.serialization.base",
    "pygnetic.serialization.json_adapter", "pygnetic.serialization.msgpack_adapter",
    "pygnetic.serialization.msgspec_adapter", "pygnetic.server", "pygnetic.stats",
]  # fmt: skip
LIBRARIES = {
    "pygnetic.network.enet_adapter": "enet",
    "pygnetic.serialization.msgpack_adapter": "msgpack",
    "pygnetic.serialization.msgspec_adapter": "msgspec",
}


def parameters(function: object) -> str:
    """What a function is called with; the annotations are mypy's business."""
    assert callable(function)
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:  # written in C
        return "(...)"
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in found)})"


def names(module_name: str) -> list[str]:
    """Every public name of a module, with what it is called with, and those of its classes."""
    module = importlib.import_module(module_name)
    found = []
    for name in sorted(module.__all__):
        value = getattr(module, name)
        whole = f"{module_name}.{name}"
        if not isinstance(value, type) or isinstance(value, GenericAlias):  # which Python 3.10 calls a class
            found.append(whole + (parameters(value) if inspect.isroutine(value) else ""))
            continue
        # Python 3.10 gives each Protocol an __init__ of its own
        told = not issubclass(value, (int, Exception)) and not getattr(value, "_is_protocol", False)
        found.append(whole + (parameters(value) if told else ""))
        for attribute in sorted(vars(value)):
            if not attribute.startswith("_"):
                member = inspect.getattr_static(value, attribute)
                called = inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod))
                found.append(f"{whole}.{attribute}" + (parameters(getattr(value, attribute)) if called else ""))
    return found


@pytest.mark.parametrize("module_name", MODULES)
def test_every_public_name_is_where_it_was(module_name: str) -> None:
    if library := LIBRARIES.get(module_name):
        pytest.importorskip(library)
    listed = LIST.read_text().splitlines()
    before = [line for line in listed if line.partition("(")[0].startswith(f"{module_name}.")]
    deeper = tuple(f"{other}." for other in MODULES if other.startswith(f"{module_name}."))
    assert names(module_name) == [line for line in before if not line.startswith(deeper)]


def test_what_an_object_has_is_public_too() -> None:
    factory = MessageFactory("json")
    assert {name for name in vars(factory) if not name.startswith("_")} == {"connection_class", "deliveries"}


if __name__ == "__main__":
    LIST.write_text("".join(f"{name}\n" for module_name in MODULES for name in names(module_name)))
    sys.exit(0)
