"""Private until listed: what a module does not list in ``__all__`` is not for users.

``public_api.txt`` has every public name with its parameters, those of the classes too. After a name was added on
purpose, ``python tests/test_exports.py`` writes the file again.
"""

import ast
import enum
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import GenericAlias
from typing import Any

import pytest

import pygnetic
from pygnetic.message import MessageFactory

PACKAGE = Path(pygnetic.__file__).parent
LIST = Path(__file__).with_name("public_api.txt")
# What every class of these kinds has is Python's.
BUILTIN = {name for kind in (tuple, Exception, enum.IntEnum) for name in dir(kind)}

PUBLIC: dict[str, set[str]] = {
    "pygnetic": {"Client", "Handler", "Server", "init", "register"},
    "pygnetic.client": {"Client"},
    "pygnetic.connection": {"Connection"},
    "pygnetic.errors": {"DecodeError", "DisconnectReason", "MessageTooLarge", "Reason"},
    "pygnetic.event": {"NETWORK", "NET_ACCEPTED", "NET_CONNECTED", "NET_DISCONNECTED", "NET_RECEIVED"},
    "pygnetic.handler": {"Handler"},
    "pygnetic.limits": {"DEFAULT", "Limits"},
    "pygnetic.stats": {"Stats", "Traffic"},
    "pygnetic.message": {"MessageFactory", "message_factory"},
    "pygnetic.netgraph": {"NetGraph"},
    "pygnetic.network": {"get_adapter", "select_adapter", "selected_adapter"},
    "pygnetic.network.base": {
        "CLOSED", "OPENED", "PACKET", "Adapter", "Event", "Peer", "check_host", "check_port", "listen_error",
        "most_cost", "never_opened", "over_limit", "resolve", "written",
    },
    "pygnetic.network.enet_adapter": {"Adapter", "Peer"},
    "pygnetic.network.enet_filter": {"DatagramFilter"},
    "pygnetic.network.memory_adapter": {"Adapter", "Peer"},
    "pygnetic.network.socket_adapter": {"Adapter", "Peer"},
    "pygnetic.serialization": {"get_adapter", "pack", "select_adapter", "selected_adapter", "unpack", "unpacker"},
    "pygnetic.serialization.base": {"SCALARS", "Packet", "as_bytes", "check_batch", "check_value"},
    "pygnetic.serialization.json_adapter": {"join", "pack", "unpack", "unpacker", "wire_name"},
    "pygnetic.serialization.msgpack_adapter": {"join", "pack", "unpack", "unpacker", "wire_name"},
    "pygnetic.serialization.msgspec_adapter": {"join", "pack", "unpack", "unpacker", "wire_name"},
    "pygnetic.server": {"Server"},
}  # fmt: skip
NEEDS = {"enet_adapter": "enet", "msgpack_adapter": "msgpack", "msgspec_adapter": "msgspec"}


def load(name: str) -> Any:
    library = NEEDS.get(name.rpartition(".")[2])
    if library:
        pytest.importorskip(library)
    return importlib.import_module(name)


def path_of(name: str) -> Path:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_every_public_module_is_known() -> None:
    found = {"pygnetic"} | {info.name for info in pkgutil.walk_packages(pygnetic.__path__, "pygnetic.")}
    # an installed package holds the examples, too
    found = {name for name in found if not name.startswith("pygnetic.examples")}
    assert {name for name in found if "._" not in name and not name.endswith("__main__")} == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_all_lists_the_public_names(name: str) -> None:
    module = load(name)
    assert set(module.__all__) == PUBLIC[name]
    assert len(module.__all__) == len(set(module.__all__))
    for listed in module.__all__:
        assert hasattr(module, listed), listed


@pytest.mark.parametrize("name", ["pygnetic._core.registry", "pygnetic._core.endpoint", "pygnetic._core.packets"])
def test_private_modules_list_nothing(name: str) -> None:
    assert load(name).__all__ == []


@pytest.mark.parametrize("name", PUBLIC)
def test_a_function_not_listed_and_without_underscore_is_for_another_module(name: str) -> None:
    nodes = ast.parse(path_of(name).read_text()).body
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    others = [path.read_text() for path in PACKAGE.rglob("*.py") if path != path_of(name)]
    for unlisted in sorted(defined - PUBLIC[name]):
        if not unlisted.startswith("_"):
            assert any(unlisted in other for other in others), f"{name}.{unlisted} wants an underscore"


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_listed_says_what_it_is(name: str) -> None:
    module = load(name)
    assert module.__doc__ and module.__doc__.splitlines()[0].endswith((".", ";", ","))
    for listed in module.__all__:
        thing = getattr(module, listed)
        if isinstance(thing, type) and thing.__module__ == name:
            assert thing.__doc__, listed
            for attribute, member in vars(thing).items():
                if callable(member) and not attribute.startswith("_"):
                    assert member.__doc__, f"{listed}.{attribute}"
        elif callable(thing) and getattr(thing, "__module__", None) == name:
            assert thing.__doc__, listed


def parameters(function: Any) -> str:
    """What a function is called with; the annotations are mypy's business."""
    found = inspect.signature(function).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in found)})"


def public_names(name: str) -> list[str]:
    """The public names of a module and of its classes, inherited ones included, each with its parameters."""
    module = load(name)
    found = []
    for listed in sorted(module.__all__):
        value, whole = getattr(module, listed), f"{name} {listed}"
        if not isinstance(value, type) or isinstance(value, GenericAlias):  # which Python 3.10 calls a class
            found.append(whole + (parameters(value) if inspect.isroutine(value) else ""))
            continue
        # Python 3.10 gives each Protocol an __init__ of its own
        made_by_users = not issubclass(value, (int, Exception)) and not getattr(value, "_is_protocol", False)
        found.append(whole + (parameters(value) if made_by_users else ""))
        for attribute in sorted(set(dir(value)) - BUILTIN):
            if not attribute.startswith("_"):
                member = getattr(value, attribute)
                found.append(f"{whole}.{attribute}" + (parameters(member) if inspect.isroutine(member) else ""))
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_where_it_was(name: str) -> None:
    listed = [line for line in LIST.read_text().splitlines() if line.startswith(f"{name} ")]
    assert public_names(name) == listed


def test_what_objects_have_is_public_too() -> None:
    factory = MessageFactory("json")
    with pygnetic.Server(message_factory=factory, n_adapter="memory") as server:
        client = pygnetic.Client(message_factory=factory, n_adapter="memory")
        connection = client.connect("127.0.0.1", server.address[1])
        public = {
            type(thing).__name__: {name for name in vars(thing) if not name.startswith("_")}
            for thing in (factory, server, client, connection)
        }
        client.close()
    assert public == {
        "MessageFactory": {"connection_class", "deliveries"},
        "Server": {"conn_limit", "limits", "message_factory"},
        "Client": {"conn_limit", "limits", "message_factory"},
        "Connection": set(),
    }


if __name__ == "__main__":
    LIST.write_text("".join(f"{line}\n" for name in PUBLIC for line in public_names(name)))
