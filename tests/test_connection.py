"""One connection: its handlers, its identity, and what is left of it when it has ended."""

import gc
import weakref
from typing import Any

import pytest
from memory_pair import Pair, Recording
from samples import Keeper

import pygnetic as net
from pygnetic.connection import Connection
from pygnetic.errors import DisconnectReason
from pygnetic.message import MessageFactory


@pytest.mark.parametrize("wrong", [None, 5, object(), Connection, "handler"])
def test_add_handler_wants_a_handler(pair: Pair, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"add_handler\(\) takes an instance of a pygnetic.Handler subclass, not "):
        pair.connection.add_handler(wrong)


def test_add_handler_wants_an_instance(pair: Pair) -> None:
    with pytest.raises(TypeError, match="; call it to make one"):
        pair.connection.add_handler(Keeper)  # type: ignore[arg-type]


def test_handlers_get_messages_in_their_order(pair: Pair) -> None:
    order: list[str] = []

    class Named(net.Handler):
        def __init__(self, name: str) -> None:
            self.name = name

        def net_ready(self, message: Any) -> None:
            order.append(self.name)

    pair.remote.add_handler(Named("one"))
    pair.remote.add_handler(Named("two"))
    pair.connection.net_ready()
    pair.connection.net_ready()
    pair.update()
    assert order == ["one", "two"] * 2


def test_ids_are_unique_keys(factory: MessageFactory) -> None:
    with Pair(factory, Keeper) as pair, net.Client(2, message_factory=factory, n_adapter=Recording) as client:
        pair.open()
        for _ in range(2):
            client.connect("localhost", pair.server.address[1])
        for _ in range(3):
            client.update()
            pair.update()
        ids = [connection.id for connection in pair.server.connections()]
        assert len(set(ids)) == 3 and all(type(number) is int for number in ids)
        assert {handler.connection.id for handler in pair.server.handlers()} == set(ids)


def test_address_repr_and_parent(pair: Pair) -> None:
    assert pair.connection.address == ("localhost", pair.server.address[1])
    assert repr(pair.connection) == f"<Connection {pair.connection.id} open {pair.connection.address}>"
    assert pair.remote.parent.address == pair.server.address
    assert type(pair.remote.parent) is weakref.ProxyType
    pair.connection.disconnect()
    assert " closing " in repr(pair.connection)
    pair.update(2)
    assert " closed " in repr(pair.connection)


def test_nothing_holds_a_closed_connection_but_its_handlers(factory: MessageFactory) -> None:
    keeper = Keeper()
    with Pair(factory, Keeper, client_handler=keeper) as pair:
        gone = weakref.ref(pair.open().connection)
        pair.connection.disconnect()
        pair.update(3)
        pair.connection = None  # type: ignore[assignment]
        pair.clock.now += 20.0  # no deadline is left
        pair.update()
        assert keeper.connection.reason.code == DisconnectReason.CLOSED
        gc.disable()
        try:
            del keeper  # the only other reference is this test's Pair, which has let go of it
            assert gone() is None  # there was no cycle
        finally:
            gc.enable()


@pytest.mark.parametrize("opened", [True, False])
def test_a_connection_whose_client_is_gone_takes_nothing_and_says_why(factory: MessageFactory, opened: bool) -> None:
    with Pair(factory, Keeper) as pair:
        if opened:
            pair.open()
        connection, handler = pair.connection, Keeper()
        connection.add_handler(handler)
        pair.client = None  # type: ignore[assignment]
        gc.collect()
        assert connection.net_ready() is connection.send("ready") is connection.connected is False
        connection.disconnect()
        assert str(connection.reason) == (
            "CLOSED: its Client is gone, since nothing refers to it; keep it in a variable"
        )
        for call in (connection.flush, lambda: connection.add_handler(Keeper())):
            with pytest.raises(ReferenceError, match=r"^(flush|add_handler)\(\): the Client or Server of this conn"):
                call()
        pair.client = pair.server  # type: ignore[assignment]  # for the end of the with
    assert handler.got == []


def test_a_handler_can_read_its_connection_as_long_as_it_lives(pair: Pair) -> None:
    mine, [theirs], early, late = Keeper(), pair.server.handlers(), Keeper(), Keeper()
    pair.connection.add_handler(mine)
    pair.connection.add_handler(early)
    pair.remote.disconnect(0, "be nice")
    pair.update(2)
    pair.connection.add_handler(late)  # which nothing reaches any more
    pair.connection = pair.client.connect("localhost", pair.server.address[1])
    pair.connection.add_handler(early)
    pair.update(3)
    pair.clock.now += 20.0  # no deadline is left
    pair.update()
    gc.collect()
    assert str(mine.connection.reason) == str(late.connection.reason) == "KICKED: be nice"
    assert str(theirs.connection.reason) == "CLOSED: be nice"
    assert type(mine.connection) is weakref.ProxyType
    assert early.connection.id == pair.connection.id
    assert early._closed_connection is None  # it is the new one's
    assert late.connection.net_ready() is late.connection.connected is False


def test_attributes_of_one_s_own(pair: Pair) -> None:
    pair.connection.player = "Tom"
    assert pair.connection.player == "Tom"
    with pytest.raises(AttributeError):
        pair.connection.connected = True
