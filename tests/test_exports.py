"""Private until listed: what a module does not list in ``__all__`` is not for users."""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import pygnetic

PACKAGE = Path(pygnetic.__file__).parent

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
