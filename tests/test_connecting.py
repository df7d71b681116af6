"""From connect() to on_connect(), and connecting again, on every network adapter."""

from __future__ import annotations

from typing import Any

import pytest
from world import Recorder, World, texts

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits

CLOSED, KICKED, LOST = DisconnectReason.CLOSED, DisconnectReason.KICKED, DisconnectReason.LOST


# -- connecting


def test_messages_sent_while_connecting_wait_for_the_welcome(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    assert alice.connected is False
    assert alice.reason is None
    assert alice.net_echo("early") is True
    assert alice.send("echo", "bird") is True
    assert alice.messages_sent == 2
    assert alice.handler.calls == []
    world.until(lambda: server.made and len(server.made[0].messages) == 2)
    assert texts(server.made[0]) == ["early", "bird"]
    assert alice.connected is True
    assert alice.handler.calls == ["on_connect"]
    assert server.made[0].calls[0] == "on_connect"


def test_both_sides_are_connected_when_on_connect_is_called(world: World) -> None:
    class Looks(Recorder):
        def on_connect(self) -> None:
            self.calls.append((self.connection.connected, self.connection.net_echo("hi")))

    server = world.server(handler=Looks)
    alice = world.connect(server, Looks())
    world.until(lambda: server.made and server.made[0].messages and alice.handler.messages)
    assert alice.handler.calls[0] == server.made[0].calls[0] == (True, True)
    assert texts(server.made[0]) == texts(alice.handler) == ["hi"]


def test_disconnect_while_connecting_discards_the_queue(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    alice.net_echo("never mind")
    alice.disconnect()
    assert alice.connected is False
    assert alice.net_echo("too late") is False
    assert alice.handler.calls == []
    alice.client.update()
    assert alice.handler.calls == ["on_disconnect"]
    alice.disconnect()
    world.settle()
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason == (CLOSED, "")
    assert server.made == [] and server.connections() == []


def test_disconnect_after_hello_waits_for_nobody(world: World) -> None:
    server = world.server()
    world.pumps.remove(server.update)
    alice = world.connect(server)
    world.settle()  # HELLO is out, or on its way; the server is busy with something else
    alice.disconnect()
    alice.client.update()
    assert alice.handler.calls == ["on_disconnect"]
    world.pumps.append(server.update)
    world.until(lambda: not server.connections() and all(made.ended for made in server.made))


def test_too_much_sent_while_connecting_is_overloaded(world: World) -> None:
    server = world.server()
    alice = world.connect(server, client=world.client(limits=Limits(unsent=200_000)))
    accepted = 0
    while alice.net_echo("x" * 9_990):
        accepted += 1
        assert accepted < 27
    assert accepted > 13  # the limit, rounded to packets of 64 KiB
    world.until(lambda: alice.handler.ended)
    assert alice.reason.code == DisconnectReason.OVERLOADED
    assert "200000 (Limits.unsent)" in alice.reason.text
    assert alice.handler.calls == ["on_disconnect"]
    assert server.made == []


# -- connecting again


def test_connect_again_from_inside_on_disconnect(world: World) -> None:
    class Insists(Recorder):
        later: Any = None

        def on_disconnect(self) -> None:
            super().on_disconnect()
            self.later = world.connect(server, client=alice.client)

    server = world.server(conn_limit=1)
    first = world.join(server)
    alice = world.connect(server, Insists(), message_factory=server.message_factory)
    world.until(lambda: alice.handler.later)
    assert alice.reason.code == DisconnectReason.SERVER_FULL
    again = alice.handler.later
    first.disconnect()
    world.until(lambda: again.handler.calls)
    while again.handler.ended:  # it came too early again
        again = world.connect(server, client=alice.client)
        world.until(lambda: again.handler.calls)  # noqa: B023 (called now)
    assert again.connected
    assert again.id != alice.id
    again.net_echo("made it")
    world.until(lambda: server.made[-1].messages)
    assert alice.handler.ended == 1


def test_connect_again_after_unreachable_from_inside_on_disconnect(world: World) -> None:
    class Elsewhere(Recorder):
        later: Any = None

        def on_disconnect(self) -> None:
            super().on_disconnect()
            self.later = world.connect(server, client=alice.client)

    nowhere = world.nowhere()
    server = world.server()
    client = world.client(limits=Limits(connect_time=0.2))
    alice = world.connect(nowhere, Elsewhere(), client=client)
    world.until(lambda: alice.handler.later and alice.handler.later.connected)
    assert alice.reason.code == DisconnectReason.UNREACHABLE
    assert len(server.made) == 1


def test_a_client_can_come_and_go(world: World) -> None:
    server = world.server()
    client = world.client()
    for number in range(5):
        alice = world.join(server, client=client)
        alice.net_echo(number)
        alice.disconnect()
        world.until(lambda: alice.handler.ended and server.made[-1].ended)  # noqa: B023 (called now)
    assert [texts(made) for made in server.made] == [[0], [1], [2], [3], [4]]


def test_a_client_that_always_connects_again_can_be_closed(world: World) -> None:
    server = world.server()

    class Again(Recorder):
        def on_disconnect(self) -> None:
            super().on_disconnect()
            client.connect(*server.address).add_handler(Again())

    client = world.client(message_factory=server.message_factory)
    alice = world.join(server, Again(), client=client)
    client.close()
    assert alice.handler.ended == 1
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.connect(*server.address)
