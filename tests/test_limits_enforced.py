"""Every number in limits.py is enforced, on every adapter, and what it does is said where it happens."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from test_hostile_basics import Raw, Scene
from world import HOST, World

from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, MessageTooLarge
from pygnetic.limits import Limits
from pygnetic.serialization.base import check_value

OVERLOADED, PROTOCOL_ERROR = DisconnectReason.OVERLOADED, DisconnectReason.PROTOCOL_ERROR


def test_each_limit_has_a_test_here() -> None:
    named = set(re.findall(r"^def test_the_limit_(\w+?)(?:_at_\w+)?\(", Path(__file__).read_text(), re.MULTILINE))
    assert named == {field.name for field in dataclasses.fields(Limits)}


def entered(world: World, **limits: Any) -> tuple[Scene, Any]:
    """Return a scene on a server with these limits, and the bad client's connection there."""
    scene = Scene(world, Limits(**limits))
    return scene, scene.enter()


def refused(scene: Scene, connection: Any, packet: bytes) -> str:
    """Have the bad client send a packet, and return what is said of it; the others play on."""
    scene.bad.peer.send(packet)
    scene.world.until(lambda: scene.bad.closed and scene.server.made[2].ended)
    assert connection.reason.code == PROTOCOL_ERROR
    assert scene.server.made[2].messages == []
    scene.nobody_noticed()
    text: str = connection.reason.text
    if scene.bad.packets[1:]:
        assert packets.read_bye(scene.bad.packets[1]).reason == connection.reason  # it is told the same
    return text


def test_the_limit_packet_size(world: World) -> None:
    server = world.server()
    player = world.join(server, limits=Limits(packet_size=1000))
    player.net_echo("x" * 991)
    with pytest.raises(MessageTooLarge, match=r"echo\(text\) has 1001 bytes; a message can have 1000 .Limits.packet_s"):
        player.net_echo("x" * 995)
    world.until(lambda: server.made[0].messages)


@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec"])
@pytest.mark.parametrize("size", [301, 1101])
def test_the_limit_packet_size_at_the_receiver(network_name: str, codec: str, size: int) -> None:
    pytest.importorskip(codec)
    with World(network_name, codec) as world:
        scene, connection = entered(world, packet_size=size - 1)
        packet = world.factory().s_adapter.pack((1, "x" * (size - 10)))
        packet = world.factory().s_adapter.pack((1, "x" * (2 * size - 10 - len(packet))))
        assert len(packet) == size
        assert "Limits.packet_size" in refused(scene, connection, packet)


def test_the_limit_unreliable_size(world: World) -> None:
    factory = world.factory()
    factory.register("move", ("x",), reliable=False)
    server = world.server(message_factory=factory)
    player = world.join(server)
    assert player.net_move("x" * 1100)
    with pytest.raises(MessageTooLarge, match=r"move\(x\) has 130\d bytes; an unreliable message can have 1200"):
        player.net_move("x" * 1300)
    with pytest.raises(MessageTooLarge, match=r"move\(x\) has 130\d bytes"):
        server.broadcast("move", "x" * 1300)
    world.until(lambda: server.made[0].messages)


def test_the_limit_unreliable_size_at_an_adapter_that_cannot_carry_it(world: World) -> None:
    limits = Limits(unreliable_size=1365)
    if world.network != "enet":
        assert world.server(limits=limits) and world.client(limits=limits)
        return
    assert world.server(limits=Limits(unreliable_size=1364)) and world.client(limits=Limits(unreliable_size=1364))
    text = r"Limits\(unreliable_size=1365\): over UDP \(enet\) .* in one datagram, which holds 1364 bytes; .* reliable"
    for make in (world.server, world.client):
        with pytest.raises(ValueError, match=text):
            make(limits=limits)


def test_the_limit_unsent(world: World) -> None:
    server = world.server(limits=Limits(unsent=50_000))
    players = [world.join(server) for _ in range(2)]
    slow = players[0]
    world.pumps.remove(slow.client.update)
    sent = 0
    while slow.there.connected:
        assert sent < 1000
        server.broadcast("echo", "x" * 20_000)
        sent += 1
        world.pump()
    world.until(lambda: server.made[0].ended)
    reason = slow.there.reason
    assert reason.code == OVERLOADED
    dropped, limit = map(int, re.findall(r"\d+", reason.text)[:2])
    assert dropped > limit == 50_000 and "(Limits.unsent)" in reason.text and "were dropped" in reason.text
    assert not slow.there.net_echo("no more"), "False, and nothing raised"
    world.until(lambda: len(players[1].handler.messages) == sent)


def test_the_limit_unsent_at_a_client_that_is_not_welcomed_yet(world: World) -> None:
    server = world.server()
    player = world.connect(server, limits=Limits(unsent=50_000))
    sent = 0
    while player.net_echo("x" * 20_000):
        sent += 1
        assert sent < 4
    assert (player.reason.code, sent) == (OVERLOADED, 2)
    assert "(Limits.unsent)" in player.reason.text


def test_the_limit_messages(world: World) -> None:
    server = world.server(limits=Limits(messages=10))
    player = world.join(server)
    for number in range(100):
        player.net_echo(number)
    counts = [0]

    def count() -> None:
        counts.append(len(server.made[0].messages))

    world.pumps.append(count)
    world.until(lambda: counts[-1] == 100)
    assert max(after - before for before, after in itertools.pairwise(counts)) <= 10


def test_the_limit_io_time(wire_world: World) -> None:  # the memory adapter reads nothing
    server = wire_world.server(limits=Limits(io_time=1e-6, messages=10_000))
    players = [wire_world.join(server) for _ in range(3)]
    for number in range(1000):
        for player in players:
            player.net_echo([number, "x" * 300])
            player.flush()
    counts = [0]

    def count() -> None:
        counts.append(sum(len(made.messages) for made in server.made))

    wire_world.pumps.append(count)
    wire_world.until(lambda: counts[-1] == 3000)
    assert max(after - before for before, after in itertools.pairwise(counts)) < 2000
    for made in server.made:
        assert [message.text[0] for message in made.messages] == list(range(1000))


def test_the_limit_backlog(world: World) -> None:
    server = world.server(limits=Limits(messages=1, backlog=50_000))
    players = [world.join(server) for _ in range(2)]
    while players[0].connected:
        for _ in range(50):
            players[0].net_echo("x" * 500)
            players[0].flush()
        world.pump()
    world.until(lambda: players[0].handler.ended and server.made[0].ended)
    assert players[0].reason.code == OVERLOADED
    assert players[0].reason.text == "packets came faster than they could be handled (Limits.backlog)"
    players[1].net_echo("still here")
    world.until(lambda: server.made[1].messages)


def test_the_limit_connect_time(world: World) -> None:
    class Mute:  # listens, and says nothing
        def __init__(self) -> None:
            kind = type(world.server()._adapter)
            self.adapter = kind((HOST, 0), limits=Limits(), **world.options)
            self.address = self.adapter.address
            world.add(self.adapter, self.adapter.poll)

    player = world.connect(Mute(), message_factory=world.factory(), limits=Limits(connect_time=0.2))
    world.until(lambda: player.handler.ended)
    assert player.reason.code == DisconnectReason.UNREACHABLE
    assert player.reason.text.startswith("nobody answered")


def test_the_limit_connect_time_at_a_server(world: World) -> None:
    server = world.server(limits=Limits(connect_time=0.2))
    stranger = Raw(world, server)
    world.until(lambda: stranger.closed and not server._loop.pending)


def test_the_limit_idle_time(world: World) -> None:
    server = world.server(limits=Limits(idle_time=0.5))
    player = world.join(server)
    world.pumps.remove(player.client.update)
    world.until(lambda: server.made[0].ended)
    assert player.there.reason.code == DisconnectReason.TIMEOUT
    assert "(Limits.idle_time)" in player.there.reason.text


def test_the_limit_close_time(wire_world: World) -> None:  # the memory adapter closes at once
    server = wire_world.server(limits=Limits(close_time=0.3))
    player = wire_world.join(server)
    wire_world.pumps.remove(player.client.update)  # it takes no notice of the goodbye
    player.there.net_echo("x" * 60_000)
    player.there.disconnect()
    wire_world.until(lambda: server.made[0].ended, timeout=2)
    assert player.there.reason.code == DisconnectReason.CLOSED


def test_the_limit_resolve_time(wire_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import threading

    asked = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: asked.wait(5) and [])
    with World(wire_name) as world:
        client = world.client(limits=Limits(resolve_time=0.1))
        with pytest.raises(OSError, match=r"host 'nowhere.example' was not resolved within 0.1 s"):
            client.connect("nowhere.example", 5000)
    asked.set()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


TOO_MUCH = {
    "nesting": (nested(4), r"nested deeper than 3 containers .Limits.nesting."),
    "container": ([1] * 9, r"a list has 9 elements; the limit is 8 .Limits.container."),
}


def check_both_ends(world: World, name: str) -> None:
    value, text = TOO_MUCH[name]
    limits = {"nesting": 3, "container": 8}
    scene, connection = entered(world, **limits)
    player = world.connect(scene.server, limits=Limits(**limits))
    for send in (player.net_echo, lambda value: scene.server.broadcast("echo", value)):
        with pytest.raises(ValueError, match=r"echo\(text\): field 'text' cannot be sent: .*" + text):
            send(value)
    player.disconnect()
    world.until(lambda: player.handler.ended)
    packet = scene.server.message_factory.s_adapter.pack((1, value))
    assert re.search(text, refused(scene, connection, packet))


def test_the_limit_nesting(world: World) -> None:
    check_both_ends(world, "nesting")


def test_the_limit_container(world: World) -> None:
    check_both_ends(world, "container")


def test_the_limit_container_at_messages_with_more_fields(memory_world: World) -> None:
    factory = memory_world.factory(wide=("a", "b", "c", "d"))
    with pytest.raises(ValueError, match=r"wide\(a, b, c, d\) has 4 fields; .*Limits.container"):
        memory_world.server(message_factory=factory, limits=Limits(container=4))
    server = memory_world.server(message_factory=factory)
    client = memory_world.client(message_factory=factory, limits=Limits(container=4))
    with pytest.raises(ValueError, match=r"wide\(a, b, c, d\) has 4 fields; .*Limits.container"):
        client.connect(*server.address)


def test_the_limit_strangers(world: World) -> None:
    server = world.server(limits=Limits(strangers=3))
    strangers = [Raw(world, server) for _ in range(5)]
    world.until(lambda: sum(stranger.closed for stranger in strangers) == 2)
    assert len(server._loop.pending) == 3
    player = world.join(server)
    assert player.connected


def test_what_is_no_limit() -> None:
    for wrong in (0, -1, None, "many", float("nan")):
        for field in dataclasses.fields(Limits):
            with pytest.raises(ValueError, match=rf"Limits\({field.name}=.*\): it is a (whole )?number above 0"):
                Limits(**{field.name: wrong})


def test_the_values_of_a_message_may_be_as_wide_as_a_packet() -> None:
    check_value(list(range(1024)), Limits())
