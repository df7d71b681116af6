"""Handlers that raise: the error comes out of update(), and nobody else misses anything."""

from __future__ import annotations

from typing import Any

import pytest
from memory_pair import Pair
from world import Recorder, World, texts

import pygnetic as net
from pygnetic.message import MessageFactory


def update(end: Any, error: type[Exception] = ZeroDivisionError) -> int:
    """Update until it raises no more; return how often it did."""
    for count in range(1000):
        try:
            end.update()
        except error:
            continue
        return count
    raise AssertionError("it raises for ever")


def test_a_handler_that_raises_on_every_tenth_message(world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            self.messages.append(message)
            if message.text % 10 == 0:
                raise ZeroDivisionError(message.text)

    server = world.server(handler=Fails)
    alice = world.join(server)
    second = Recorder()
    alice.there.add_handler(second)
    raised = []

    def bold_update() -> None:
        try:
            server.update()
        except ZeroDivisionError as error:
            raised.append(error.args[0])

    world.pumps[world.pumps.index(server.update)] = bold_update
    for number in range(1, 501):
        alice.net_echo(number)
        if number % 7 == 0:  # packets of seven, then whatever the loop makes of it
            alice.flush()
    world.until(lambda: len(server.made[0].messages) == 500 and len(second.messages) == 500)
    world.settle()
    assert texts(server.made[0]) == list(range(1, 501))
    assert sorted(texts(second)) == list(range(1, 501))
    assert raised == list(range(10, 501, 10))
    assert alice.connected and alice.there.messages_received == 500
    alice.net_echo(1)
    world.until(lambda: len(second.messages) == 501)


def test_a_second_handler_gets_what_the_first_one_choked_on_in_order(world: World) -> None:
    class Fails(net.Handler):
        def on_recive(self, message: Any) -> None:
            raise ZeroDivisionError

    server = world.server(handler=Fails)
    alice = world.join(server)
    second, third = Recorder(), Recorder()
    alice.there.add_handler(second)
    alice.there.add_handler(third)
    for number in range(20):
        alice.net_echo(number)
    world.pumps.remove(server.update)
    raised = 0
    for _ in range(1000):
        world.pump()
        raised += update(server)
        if len(third.messages) == 20:
            break
    assert texts(second) == texts(third) == list(range(20))
    assert raised == 20


def test_what_was_not_dispatched_is_dispatched_before_what_comes_later(memory_world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            self.messages.append(message)
            if message.text == "bad":
                raise ZeroDivisionError

    world = memory_world
    server = world.server(handler=Fails)
    alice = world.join(server)
    for text in ("one", "bad", "two"):
        alice.net_echo(text)
    alice.client.update()
    with pytest.raises(ZeroDivisionError):
        server.update()
    alice.net_echo("three")
    alice.disconnect()
    alice.client.update()
    server.update()
    assert texts(server.made[0]) == ["one", "bad", "two", "three"]
    assert server.made[0].calls[-1] == "on_disconnect"


def test_one_players_error_costs_the_others_nothing(world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            if message.text == "bad":
                raise ZeroDivisionError

    server = world.server(handler=Fails)
    alice, bob, carol = (world.join(server) for _ in range(3))
    for number in range(10):
        alice.net_echo("bad")
        bob.net_echo(number)
        carol.net_echo(number)
    world.pumps.remove(server.update)
    raised = 0
    while min(len(made.messages) for made in server.made) < 10:
        world.pump()
        raised += update(server)
    assert raised == 10
    assert texts(server.made[1]) == texts(server.made[2]) == list(range(10))


def test_handle_error_may_take_the_errors(world: World) -> None:
    class Calm(net.Server):
        def handle_error(self, connection: Any, error: Exception) -> None:
            errors.append((connection, error))

    class Fails(Recorder):
        def on_connect(self) -> None:
            super().on_connect()
            raise KeyError("on_connect")

        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            raise KeyError(message.text)

        def on_disconnect(self) -> None:
            super().on_disconnect()
            raise KeyError("on_disconnect")

    errors: list[Any] = []
    server = world.server(Calm, handler=Fails)
    alice = world.join(server)
    there, second = alice.there, Recorder()
    there.add_handler(second)
    alice.net_echo("a")
    alice.net_echo("b")
    alice.disconnect()
    world.until(lambda: server.made[0].ended and second.ended)
    assert [error.args[0] for _, error in errors] == ["on_connect", "a", "b", "on_disconnect"]
    assert {connection for connection, _ in errors} == {there}
    assert texts(second) == ["a", "b"]
    assert second.ended == 1


def test_handle_error_of_a_client(world: World) -> None:
    class Calm(net.Client):
        def handle_error(self, connection: Any, error: Exception) -> None:
            errors.append((connection, type(error)))
            connection.disconnect()

    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            raise ZeroDivisionError

    errors: list[Any] = []
    server = world.server()
    client = world.client(Calm, message_factory=server.message_factory)
    alice = world.join(server, Fails(), client=client)
    alice.there.net_echo("first")
    alice.there.net_echo("dropped: handle_error disconnected")
    world.until(lambda: alice.handler.ended)
    assert errors == [(alice, ZeroDivisionError)]


@pytest.mark.parametrize("where", ["on_connect", "on_disconnect"])
def test_errors_in_the_other_methods_come_out_of_update_once(world: World, where: str) -> None:
    class Fails(Recorder):
        def on_connect(self) -> None:
            super().on_connect()
            if where == "on_connect":
                raise ZeroDivisionError(where)

        def on_disconnect(self) -> None:
            super().on_disconnect()
            if where == "on_disconnect":
                raise ZeroDivisionError(where)

    server = world.server(handler=Fails)
    world.pumps.remove(server.update)
    raised = []

    def bold_update() -> None:
        try:
            server.update()
        except ZeroDivisionError as error:
            raised.append(str(error))

    world.pumps.append(bold_update)
    alice, bob = world.join(server), world.join(server)
    alice.net_echo("hello")
    alice.disconnect()
    bob.net_echo("hello")
    world.until(lambda: not alice.there.connected and bob.there.messages_received)
    world.until(lambda: len(server.connections()) == 1)
    world.settle()
    assert raised == [where] * (1 if where == "on_disconnect" else 2)
    assert len(server.made) == 2
    for made in server.made:
        assert made.calls[0] == "on_connect"
        assert texts(made) == ["hello"]
    assert bob.connected
    world.pumps.remove(bold_update)
    if where == "on_disconnect":
        with pytest.raises(ZeroDivisionError):
            server.close()


def test_an_error_that_is_no_exception_goes_straight_out_and_loses_nothing(world: World) -> None:
    class Interrupted(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            if message.text == 3:
                raise KeyboardInterrupt

    class Calm(net.Server):
        def handle_error(self, connection: Any, error: Exception) -> None:
            raise AssertionError("not for this")

    server = world.server(Calm, handler=Interrupted)
    alice = world.join(server)
    for number in range(6):
        alice.net_echo(number)
    with pytest.raises(KeyboardInterrupt):
        world.until(lambda: False)
    world.until(lambda: len(server.made[0].messages) == 6)
    assert texts(server.made[0]) == list(range(6))


def test_on_disconnect_is_called_of_the_second_handler_though_the_first_raises(pair: Pair) -> None:
    calls: list[str] = []

    class Clumsy(net.Handler):
        def on_disconnect(self) -> None:
            calls.append("clumsy")
            raise KeyError("oops")

    class Careful(net.Handler):
        def on_disconnect(self) -> None:
            calls.append("careful")

    for handler in (Clumsy(), Careful()):
        pair.connection.add_handler(handler)
    pair.remote.disconnect()
    with pytest.raises(KeyError):
        pair.client.update()
    pair.client.update()
    pair.client.update()
    assert calls == ["clumsy", "careful"]


def test_whose_handler_cannot_be_made_is_sent_away(factory: MessageFactory) -> None:
    class Broken(net.Handler):
        def __init__(self) -> None:
            raise ZeroDivisionError

    with Pair(factory, Broken) as pair:
        with pytest.raises(ZeroDivisionError):
            pair.open()
        for _ in range(5):
            pair.update()
        assert pair.server.connections() == []
        assert str(pair.connection.reason) == "KICKED: the server has no handler for you: an error in its program"
