"""close(): who is told, what still arrives, and what happens where something still happens."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import Any

import pytest
from abuse import needs_posix
from memory_pair import Pair
from world import HOST, Recorder, World, texts

import pygnetic as net
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits


def test_control_packets_are_ignored_while_closing(pair: Pair) -> None:
    remote = pair.remote
    for nonsense in (b"\xc1", b"\xc1\x09", b"\xc1\x02", b"\xc1\x03", b"\xc1\x04" + b"\0" * 8, b"\xc1\x05", b"\xc1\x06"):
        pair.connection._peer.send(nonsense)
    remote.disconnect(0, "enough")
    pair.server.update()
    assert str(remote.reason) == "CLOSED: enough"


CLOSED, KICKED, LOST = DisconnectReason.CLOSED, DisconnectReason.KICKED, DisconnectReason.LOST


# -- close()


@pytest.mark.parametrize("side", ["client", "server"])
def test_close_sends_what_is_queued_and_tells_everybody(world: World, side: str) -> None:
    server = world.server()
    alice = world.join(server)
    here, closing, mine, theirs = (
        (alice, alice.client, alice.handler, server.made[0])
        if side == "client"
        else (alice.there, server, server.made[0], alice.handler)
    )
    other = theirs.connection._itself()
    for number in range(50):
        here.net_echo(number)
    world.stop(closing)
    assert mine.calls[-1] == "on_disconnect"
    assert here.connected is False
    assert here.net_echo("too late") is False
    here.disconnect()
    closing.close()
    began = time.monotonic()
    world.until(lambda: theirs.ended)
    assert time.monotonic() - began < 2
    assert texts(theirs) == list(range(50))
    assert mine.ended == theirs.ended == 1
    assert here.reason.code == CLOSED
    expected = (CLOSED, "the client was closed") if side == "client" else (KICKED, "the server was closed")
    assert other.reason == expected


def test_close_while_connecting(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    world.stop(alice.client)
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason.code == CLOSED
    world.settle()
    assert server.connections() == []


def test_close_after_disconnect_delivers_all_the_same(world: World) -> None:
    server = world.server(limits=Limits(close_time=0.5))
    alice = world.join(server)
    alice.net_echo("last words")
    alice.disconnect(reason="dinner")
    world.stop(alice.client)
    assert alice.handler.ended == 1
    world.until(lambda: server.made[0].ended)
    assert texts(server.made[0]) == ["last words"]
    assert server.made[0].connection.reason == (CLOSED, "dinner")


def test_a_closed_end_says_so(world: World) -> None:
    server, client = world.server(), world.client()
    world.stop(server)
    world.stop(client)
    with pytest.raises(RuntimeError, match="this Server is closed"):
        server.update()
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.update()
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.connect(HOST, 9)
    assert server.connections() == []


def test_close_frees_the_port(world: World) -> None:
    server = world.server()
    address = server.address
    world.join(server)
    world.stop(server)
    again = world.server(port=address[1])
    assert again.address == address
    assert world.join(again).connected


def test_with_closes_whatever_happens(world: World) -> None:
    factory = world.factory()
    handler = Recorder()
    with pytest.raises(ZeroDivisionError):
        with net.Server(HOST, message_factory=factory, n_adapter=world.network) as server:
            address = server.address
            with net.Client(message_factory=factory, n_adapter=world.network) as client:
                client.connect(*address).add_handler(handler)
                raise ZeroDivisionError
    assert handler.calls == ["on_disconnect"]
    with pytest.raises(RuntimeError, match="closed"):
        server.update()
    net.Server(*address, message_factory=factory, n_adapter=world.network).close()


def test_close_inside_a_handler(world: World) -> None:
    class Closes(Recorder):
        def net_echo(self, message: Any) -> None:
            self.calls.append(message.text)
            self.connection.net_echo("last")
            world.pumps.remove(server.update)
            self.server.close()

    server = world.server(handler=Closes)
    players = [world.join(server) for _ in range(3)]
    players[1].net_echo("close")
    players[1].net_echo("dropped")
    world.until(lambda: all(player.handler.ended for player in players))
    assert [made.calls for made in server.made] == [
        ["on_connect", "on_disconnect"],
        ["on_connect", "close", "on_disconnect"],
        ["on_connect", "on_disconnect"],
    ]
    assert texts(players[1].handler) == ["last"]


def test_close_tells_the_others_though_one_handler_raises(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Fails(Recorder):
        def on_disconnect(self) -> None:
            super().on_disconnect()
            raise ZeroDivisionError(f"number {self.connection.id}")

    server = world.server(handler=Fails)
    for _ in range(3):
        world.join(server)
    world.pumps.remove(server.update)
    with pytest.raises(ZeroDivisionError, match="number 1"):
        server.close()
    logged = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert logged == ["number 2", "number 3"], "only one can be raised"
    assert [made.ended for made in server.made] == [1, 1, 1]
    server.close()


def test_close_tells_who_was_to_be_told_after_a_handler_that_raised(world: World) -> None:
    class Fails(Recorder):
        def on_disconnect(self) -> None:
            raise ZeroDivisionError

    server = world.server()
    alice = world.join(server, Fails())
    second, third = Recorder(), Recorder()
    alice.add_handler(second)
    alice.add_handler(third)
    alice.disconnect()
    with pytest.raises(ZeroDivisionError):
        world.until(lambda: False)
    alice.client.close()
    assert second.ended == third.ended == 1


def test_every_handler_is_told_though_each_of_them_raises(world: World) -> None:
    told = []

    class Raises(Recorder):
        def on_disconnect(self) -> None:
            told.append(self)
            raise ZeroDivisionError

    alice = world.join(world.server(), Raises())
    handlers = [alice.handler, *(Raises() for _ in range(4))]
    for handler in handlers[1:]:
        alice.add_handler(handler)
    alice.disconnect()

    def update(once: Any = alice.client.update) -> None:
        with contextlib.suppress(ZeroDivisionError):
            once()

    world.pumps[world.pumps.index(alice.client.update)] = update
    world.until(lambda: len(told) == 5)
    world.settle()
    assert told == handlers


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_close_tells_the_others_though_one_handler_ends_the_program(
    memory_world: World, error: type[BaseException]
) -> None:
    told = []

    class Ends(Recorder):
        def on_disconnect(self) -> None:
            told.append(self.connection.id)
            raise error if len(told) == 2 else ZeroDivisionError

    server = memory_world.server(handler=Ends)
    for _ in range(3):
        memory_world.join(server)
    with pytest.raises(error):  # and not what the first one raised
        server.close()
    assert told == [1, 2, 3]
    server.close()
    assert told == [1, 2, 3]


@pytest.mark.parametrize("raises", [1, 2])
def test_the_other_handlers_are_told_though_one_closes_the_client_and_raises(world: World, raises: int) -> None:
    told = []

    class Closes(Recorder):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def on_disconnect(self) -> None:
            told.append(self.number)
            if self.number == raises:
                alice.client.close()
            if self.number <= raises:
                raise ZeroDivisionError(self.number)

    server = world.server()
    alice = world.join(server, Closes(1))
    for number in (2, 3, 4):
        alice.add_handler(Closes(number))
    world.pumps.remove(alice.client.update)
    server.close()
    world.pumps.remove(server.update)
    errors = []
    while not alice.client._loop.closed:
        try:
            alice.client.update(1)
        except ZeroDivisionError as raised:
            errors.append(raised.args[0])
    assert (told, errors) == ([1, 2, 3, 4], list(range(1, raises + 1)))


# -- while something still happens

_FORKING = """
import os, sys
import pygnetic as net

class Forking(net.Handler):
    def on_disconnect(self):
        if not os.fork():
            os.write(1, b"child\\n")

class Other(net.Handler):
    def on_disconnect(self):
        os.write(1, b"told in parent\\n" if os.getpid() == parent else b"told in child\\n")

parent = os.getpid()
net.init(logging_lvl=None, n_module=sys.argv[1], s_module="json")
net.register("say", ("text",))
server = net.Server("127.0.0.1", 0)
client = net.Client()
connection = client.connect(*server.address)
connection.add_handler(Forking())
connection.add_handler(Other())
while not connection.connected:
    server.update()
    client.update(1)
server.close()
try:
    while connection.reason is None or os.getpid() == parent and not connection.handlers == []:
        client.update(1)
except RuntimeError as error:
    print(error, flush=True)
"""


class Closing(Recorder):
    """Closes its server when its player is gone."""

    def on_disconnect(self) -> None:
        super().on_disconnect()
        self.server.close()


def test_close_inside_on_disconnect_is_harmless_however_many_there_are(memory_world: World) -> None:
    server = memory_world.server(handler=Closing, conn_limit=250)
    for _ in range(250):
        client = memory_world.join(server).client
        memory_world.pumps.remove(client.update)
    server.close()
    assert [handler.ended for handler in server.made] == [1] * 250


def test_who_is_welcomed_while_the_server_closes_is_closed_too(memory_world: World) -> None:
    server = memory_world.server()
    first = memory_world.join(server)
    second = memory_world.connect(server)
    second.client.update()
    first.client.close(1000)  # which lets the server read
    server.close()
    for closed in (server, first.client):
        memory_world.pumps.remove(closed.update)
    assert server.connections() == [] and not server._loop.links and not server._loop.unannounced
    memory_world.until(lambda: second.handler.ended)


@pytest.mark.parametrize("factory", [lambda: None, lambda: 5], ids=["None", "a number"])
def test_a_handler_factory_that_makes_no_handler_goes_to_handle_error(memory_world: World, factory: Any) -> None:
    server = memory_world.server(handler=factory)
    errors: list[Exception] = []
    server.handle_error = lambda connection, error: errors.append(error)
    player = memory_world.connect(server)
    memory_world.until(lambda: player.handler.ended)
    assert player.reason.code == DisconnectReason.KICKED
    assert "must return an object of a pygnetic.Handler subclass" in str(errors[0]) and len(errors) == 1


def test_what_came_before_the_line_broke_is_handled_however_long_that_takes(memory_world: World) -> None:
    world = memory_world
    server = world.server(limits=Limits(messages=1))
    player = world.join(server)
    for number in range(100):
        player.net_echo(number)
    player.client.update()
    player.client._adapter.close()
    world.pumps.remove(player.client.update)
    while not server.made[0].ended:
        world.clock.now += 0.2
        server.update()
    assert [message.text for message in server.made[0].messages] == list(range(100))
    assert server.made[0].connection.reason.code == DisconnectReason.LOST


@needs_posix
def test_a_child_that_is_forked_in_on_disconnect_tells_nobody(wire_name: str) -> None:
    command = [sys.executable, "-c", _FORKING, wire_name]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    lines = sorted(ran.stdout.splitlines())
    assert [line for line in lines if line.startswith("told")] == ["told in parent"], ran
    assert "child" in lines
