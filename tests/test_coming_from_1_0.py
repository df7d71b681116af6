"""The page "Coming from pygnetic 1.0": what it says is there is there, what it says is gone is gone."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from pages import page, table

import pygnetic as net
from pygnetic.message import MessageFactory

PAGE = "howto/pygnetic_1_0"
CHANGES = Path(__file__).parent.parent / "CHANGES.rst"


@pytest.fixture
def ends() -> Any:
    factory = MessageFactory("json")
    factory.register("chat_msg", ("player", "msg"))
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(handler=net.Handler, **options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        connection.add_handler(net.Handler())
        while not connection.connected:
            client.update()
            server.update()
        yield server, client, connection, factory


def rows() -> dict[str, str]:
    return dict(table(page(PAGE), "In 1.0"))


def row_of(name: str) -> str:
    [text] = [now for then, now in rows().items() if f"``{name}``" in then]
    return text


@pytest.mark.parametrize("name", ["pygnetic.discovery", "pygnetic.syncobject"])
def test_modules_that_are_gone(name: str) -> None:
    assert row_of(name).startswith("Not there.")
    assert importlib.util.find_spec(name) is None


def test_conn_map_is_gone(ends: Any) -> None:
    server, client, connection, _ = ends
    assert row_of("conn_map").startswith("Not there.")
    for owner in (server, client, connection, net.server, net.client, net.connection):
        assert not hasattr(owner, "conn_map")


def test_a_connection_tells_its_handlers_and_its_messages(ends: Any) -> None:
    server, _, connection, factory = ends
    assert row_of("connection.handlers") == row_of("connection.message_factory")
    handler = net.Handler()
    before = connection.handlers
    connection.add_handler(handler)
    assert connection.handlers == [*before, handler] and len(before) == 1
    assert connection.message_factory is factory
    [guest] = server.connections()
    assert guest.handlers == server.handlers() and guest.message_factory is factory
    for name in ("handlers", "message_factory"):
        with pytest.raises(AttributeError):
            setattr(connection, name, None)
    connection.handlers.clear()  # a copy: nothing comes of it
    assert len(connection.handlers) == 2


def test_lists_where_iterators_were(ends: Any) -> None:
    server, *_ = ends
    assert "lists" in row_of("server.connections()")
    assert type(server.connections()) is type(server.handlers()) is list


def test_arguments_that_are_no_longer_open(ends: Any) -> None:
    connection = ends[2]
    for name in ("Client()", "Server()", "client.connect()", "connection.disconnect()", "register()"):
        assert "raise" in row_of(name), name
    for wrong in (
        lambda: net.Client(1, 2),
        lambda: net.Server("", 0, 4, 5),
        lambda: net.Client(nonsense=1),
        lambda: net.Server(nonsense=1),
        lambda: net.Client(n_adapter="memory").connect("x", 1, None, nonsense=1),
        lambda: connection.disconnect(0, "", 1),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError):
        MessageFactory().register("x", (), nonsense=1)
    assert connection.connected


def test_numbers_of_the_events() -> None:
    names = ("NET_CONNECTED", "NET_ACCEPTED", "NET_DISCONNECTED", "NET_RECEIVED")
    told = re.findall(r"``(NET_\w+)`` (\d)", row_of("NET_CONNECTED"))
    assert told == [(name, str(getattr(net.event, name))) for name in names]
    assert f"is {net.event.NETWORK} " in row_of("NETWORK")


def test_what_changes_says_of_1_0() -> None:
    text = " ".join(CHANGES.read_text(encoding="utf-8").split())
    assert "Every public name of 1.0 is there" not in text
    assert '"Coming from pygnetic 1.0"' in text
