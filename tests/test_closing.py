"""close() where something still happens: inside on_disconnect(), while others are being welcomed, in a forked child."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from abuse import needs_posix
from world import Recorder, World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits

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
