"""Time: timeouts, PINGs, the round trip, and processes that slept."""

from __future__ import annotations

import pytest
from memory_pair import Pair
from world import World

import pygnetic as net
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory


def test_pings_of_those_who_join_together_are_spread(factory: MessageFactory) -> None:
    with Pair(factory) as pair:
        clients = [net.Client(message_factory=factory, n_adapter="memory", clock=pair.clock) for _ in range(3)]
        for client in clients:
            client.connect(*pair.server.address)
        for _ in range(3):
            pair.update()
            for client in clients:
                client.update()
        connections = pair.server.connections()
        due = [link.due - pair.clock.now for link in pair.server._loop.links.values()]
        assert len(set(due)) == len(connections) == 4 and min(due) > 0 and max(due) < 1
        for client in clients:
            client.close()


def test_a_silent_client_times_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    began = world.clock.now
    while not server.made[0].ended:
        world.clock.now += 0.25
        server.update()
        bob.client.update()
        assert world.clock.now < began + 12
    assert world.clock.now >= began + 9.75  # Limits.idle_time is 10 s
    assert server.made[0].connection.reason.code == DisconnectReason.TIMEOUT
    assert "idle_time" in server.made[0].connection.reason.text
    assert server.made[1].ended == 0 and bob.connected
    world.pump()
    assert alice.handler.ended == 1
    assert alice.reason.code == DisconnectReason.TIMEOUT


@pytest.mark.parametrize("step", [0.25, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("heard", [0.0, 0.4, 0.9])
def test_a_timeout_comes_at_its_limit_and_tells_it(memory_world: World, step: float, heard: float) -> None:
    """Not at the first PING after it, which is up to a second later."""
    world = memory_world
    server = world.server(limits=Limits(idle_time=10))
    alice = world.join(server)
    world.clock.now += heard
    alice.net_echo("the last")
    world.until(lambda: server.made[0].messages)
    world.pump()  # what her client sends by itself is heard now, too
    began = world.clock.now
    while server.made[0].connection.connected:
        assert world.clock.now < began + 10
        world.clock.now = min(world.clock.now + step, began + 10.0001)
        server.update()
    assert server.made[0].connection.reason.text == "nothing was heard for 10 s (Limits.idle_time)"


def test_a_silent_server_times_out(memory_world: World) -> None:
    world = memory_world
    limits = Limits(idle_time=2)
    server = world.server()
    alice = world.join(server, client=world.client(limits=limits, message_factory=server.message_factory))
    for _ in range(10):
        world.clock.now += 0.25
        alice.client.update()
    assert alice.reason.code == DisconnectReason.TIMEOUT
    assert alice.handler.ended == 1


def test_who_answers_pings_never_times_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for _ in range(400):
        world.clock.now += 0.25
        world.pump()
    assert alice.connected and server.connections() == [alice.there]


def test_a_process_that_slept_does_not_time_its_peers_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    for _ in range(5):  # a debugger, a closed laptop, a loading screen
        world.clock.now += 60
        server.update()
        alice.client.update()
        bob.client.update()
    assert alice.connected and bob.connected
    assert len(server.connections()) == 2


def test_a_client_that_loads_its_pictures_after_connect_still_gets_in(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.connect(server)
    for _ in range(3):  # before each of the packets that it takes
        world.clock.now += 60
        world.pump()
    assert alice.connected


def test_a_client_that_slept_after_disconnect_still_delivers_what_it_sent(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    client = alice.client
    for number in range(100):
        alice.net_echo(str(number) * 200)
    alice.disconnect()
    real = client._loop.clock
    client._loop.clock = client._adapter.clock = lambda: real() + 60
    for _ in range(3):
        client.update()
    world.until(lambda: server.made[0].ended and alice.handler.ended)
    assert len(server.made[0].messages) == 100
    assert server.made[0].connection.reason.code == DisconnectReason.CLOSED


@pytest.mark.parametrize("idle", [0, 60])
def test_who_does_not_answer_is_unreachable_in_time(memory_world: World, idle: float) -> None:
    """However long the client did nothing before connect()."""
    world = memory_world
    server = world.server()
    world.pumps.remove(server.update)
    client = world.client(message_factory=server.message_factory)
    world.clock.now += idle
    alice = world.connect(server, client=client)
    began = world.clock.now
    while not alice.handler.ended:
        world.clock.now += 0.25
        client.update()
        assert world.clock.now < began + 6
    assert alice.reason.code == DisconnectReason.UNREACHABLE
    assert world.clock.now >= began + 5


def test_round_trip_times(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    assert alice.rtt == alice.there.rtt == 0.0
    for _ in range(40):
        alice.client.update()
        world.clock.now += 0.020
        server.update()
        world.clock.now += 0.030
    assert alice.rtt == pytest.approx(50, abs=0.01)
    assert alice.there.rtt == pytest.approx(50, abs=0.01)


def test_round_trip_times_on_a_real_clock(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    world.until(lambda: alice.rtt and alice.there.rtt)
    assert 0 < alice.rtt < 1000


def test_a_pong_that_answers_nothing_is_ignored(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for stamp in (1e9, 0.0):
        alice._peer.send(packets.pong(packets.ping(stamp)))
    alice.net_echo("still here")
    world.until(lambda: server.made[0].messages)
    assert alice.there.connected
    assert alice.there.rtt < 1.0
