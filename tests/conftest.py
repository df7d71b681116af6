"""Fixtures for all tests: every network adapter, every serializer, worlds that clean up after themselves."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from figures import figure, pytest_addoption, pytest_terminal_summary  # noqa: F401
from memory_pair import Pair
from programs import EXAMPLES, Program
from samples import Keeper, make_factory
from tables import hands, sit_down  # noqa: F401
from world import World

from pygnetic import client, event, message, network, serialization, server
from pygnetic.message import MessageFactory

NETWORKS = {"enet": "enet", "socket": None, "memory": None}  # the library that each needs
CODECS = {"msgpack": "msgpack", "msgspec": "msgspec", "json": None}
# A module of yours, instead of ours: "PYGNETIC_NETWORK=my_adapter pytest tests/test_contract.py"
if mine := os.environ.get("PYGNETIC_NETWORK"):
    NETWORKS = {mine: mine}


# A background job of a shell ignores Ctrl-C, and every process that a test starts would ignore it, too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _usable(name: str, library: str | None) -> Any:
    if library:
        pytest.importorskip(library)
    return importlib.import_module(name) if name == mine else name


@pytest.fixture(params=NETWORKS)
def network_name(request: pytest.FixtureRequest) -> str:
    """Return the name of each network adapter in turn; skips those whose library is not installed."""
    return _usable(request.param, NETWORKS[request.param])


@pytest.fixture(params=[name for name in NETWORKS if name != "memory"])
def wire_name(request: pytest.FixtureRequest) -> str:
    """Like `network_name`, only those that use the operating system's network."""
    return _usable(request.param, NETWORKS[request.param])


@pytest.fixture(params=CODECS)
def codec_name(request: pytest.FixtureRequest) -> str:
    """Return the name of each serialization adapter in turn; skips those whose library is not installed."""
    return _usable(request.param, CODECS[request.param])


@pytest.fixture
def world(network_name: str) -> Iterator[World]:
    """Return an empty World on each network adapter, with JSON; everything made in it is closed at the end."""
    with World(network_name) as new:
        yield new


@pytest.fixture
def wire_world(wire_name: str) -> Iterator[World]:
    """Return an empty World on each adapter that uses the operating system's network."""
    with World(wire_name) as new:
        yield new


@pytest.fixture
def memory_world() -> Iterator[World]:
    """Return an empty World on the memory adapter, whose time passes only when a test says so (`world.clock.now`)."""
    with World("memory", frozen_time=True) as new:
        yield new


@pytest.fixture
def factory() -> MessageFactory:
    """Return a factory with the messages of samples.py."""
    return make_factory()


@pytest.fixture
def pair(factory: MessageFactory) -> Iterator[Pair]:
    """Return a server and its client, connected, on the memory adapter; the server's handlers are Keepers."""
    with Pair(factory, Keeper) as made:
        yield made.open()


@pytest.fixture
def run() -> Iterator[Callable[..., Program]]:
    """Return a function that starts an example, or Python with other arguments."""
    programs: list[Program] = []

    def start(name: str, *arguments: object, **options: Any) -> Program:
        command = (EXAMPLES / name, *arguments) if name.endswith(".py") else (name, *arguments)
        programs.append(Program(*command, **options))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()


@pytest.fixture(autouse=True)
def fresh_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the modules as they are after import: nothing selected, events off, nothing frozen."""
    for name in ("NETWORK", "post", "lost"):
        monkeypatch.setattr(event, name, {"NETWORK": 65000, "post": None, "lost": 0}[name])
    for module, names in ((network, ("enet", "socket")), (serialization, ("msgpack", "json"))):
        monkeypatch.setattr(module._selection, "adapter", None)
        monkeypatch.setattr(module._selection, "names", names)
    factory = message.MessageFactory()
    factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))
    monkeypatch.setattr(message, "message_factory", factory)
    monkeypatch.setattr(client.Client, "message_factory", factory)
    monkeypatch.setattr(server.Server, "message_factory", factory)
