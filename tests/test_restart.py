"""A server that was restarted, or has given a client up, does not know it any more: the client learns that soon."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from relays import TcpRelay, UdpRelay
from world import HOST, World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits

LOST = DisconnectReason.LOST
PROGRAM = Path(__file__).with_name("peer_program.py")
# ENet itself gives up after 5 s of silence, a connection after Limits.idle_time: 10 s
SOON = 4.0


@pytest.fixture
def enet_world() -> Any:
    pytest.importorskip("enet")
    with World("enet") as world:
        yield world


def join(world: World, server: Any, relay: Any) -> Any:
    player = world.join(server, address=relay.address)
    player.net_echo("hello")
    world.until(lambda: player.unsent == 0)
    return player


def relayed(world: World, server: Any) -> Any:
    relay = {"enet": UdpRelay, "socket": TcpRelay}[world.network](server.address)
    return world.add(relay, relay.pump)


def test_a_server_that_is_killed_and_started_anew(wire_world: World) -> None:
    def start(port: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(PROGRAM), "serve", wire_world.network, str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wire_world._closes += [process.communicate, process.kill]
        assert process.stdout and int(process.stdout.readline()) == port
        return process

    kind = socket.SOCK_DGRAM if wire_world.network == "enet" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((HOST, 0))
        port = sock.getsockname()[1]
    server = start(port)
    factory = wire_world.factory(
        update_remoteobject=("type_id", "obj_id", "variables"), say=("number", "text"), said=("number", "text")
    )
    alice = wire_world.connect((HOST, port), message_factory=factory)
    alice.net_say(1, "hello")
    wire_world.until(lambda: alice.handler.messages)
    server.kill()
    server.wait()
    start(port)
    wire_world.until(lambda: alice.handler.ended, timeout=SOON)
    assert alice.reason.code == LOST


def test_a_server_that_was_restarted_says_so(enet_world: World) -> None:
    world = enet_world
    server = world.server()
    relay = relayed(world, server)
    players = [join(world, server, relay) for _ in range(3)]
    relay.drop = lambda datagram, to_server: True  # not even its goodbye arrives
    port = server.address[1]
    world.stop(server)
    relay.pump()
    again = world.server(port=port)
    relay.drop = None
    others = [join(world, again, relay) for _ in range(3)]  # who have the slots that the players had
    world.until(lambda: all(player.handler.ended for player in players), timeout=SOON)
    assert {player.reason.code for player in players} == {LOST}
    assert "restarted" in players[0].reason.text
    assert all(player.connected for player in others) and len(again.connections()) == 3


def test_a_client_that_slept_learns_that_it_was_given_up(enet_world: World) -> None:
    world = enet_world
    server = world.server(limits=Limits(idle_time=60))
    relay = relayed(world, server)
    player = join(world, server, relay)
    other = join(world, server, relay)
    world.pumps.remove(player.client.update)  # a window is dragged, a level is loaded
    world.until(lambda: server.made[0].ended, timeout=40)
    assert player.there.reason.code == LOST and "5 s" in player.there.reason.text
    world.pumps.append(player.client.update)
    world.until(lambda: player.handler.ended, timeout=SOON)
    assert player.reason.code == LOST
    assert other.connected and other.there.connected


def test_a_server_that_sleeps_is_not_given_up(enet_world: World) -> None:
    world = enet_world
    server = world.server()
    relay = relayed(world, server)
    player = join(world, server, relay)
    asked = []
    relay.drop = lambda datagram, to_server: b"pygnetic-active?" in datagram and bool(asked.append(datagram))
    world.pumps.remove(server.update)
    world.until(lambda: len(asked) == 4)
    world.pumps.append(server.update)
    player.net_echo("still here")
    world.until(lambda: len(server.made[0].messages) == 2)
    assert player.connected
    assert server._adapter._filter.door.told == 0


def test_what_was_sent_before_a_server_gave_up_is_delivered(enet_world: World) -> None:
    world = enet_world
    server = world.server(limits=Limits(close_time=0.5))
    relay = relayed(world, server)
    player = join(world, server, relay)
    world.pumps.remove(player.client.update)
    player.there.net_echo("you were too slow")
    player.there.disconnect(reason="too slow")
    player.there.flush()
    relay.drop = lambda datagram, to_server: not to_server and b"too slow" not in datagram
    world.until(lambda: server.made[0].ended)
    relay.drop = None
    world.pumps.append(player.client.update)
    world.until(lambda: player.handler.ended, timeout=SOON)
    assert player.handler.messages == [("you were too slow",)]
    assert player.reason == (DisconnectReason.KICKED, "too slow")
