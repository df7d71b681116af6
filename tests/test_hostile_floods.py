"""Too much of everything from one bad client: it costs the others nothing, and what it costs is bounded."""

from __future__ import annotations

import contextlib
import gc
import itertools
import socket
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from datagrams import connect
from relays import TcpRelay, UdpRelay
from test_hostile_basics import BadServer, Raw, Scene, shout
from world import HOST, Clock, World

from pygnetic._core import inbox, packets, timers
from pygnetic._core.hosting import _CROWD
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.network import _enet_cookie
from pygnetic.serialization.base import check_value

OVERLOADED = DisconnectReason.OVERLOADED

CONTROL = {
    "PING": lambda: packets.ping(1.0),
    "PONG": lambda: packets.pong(packets.ping(time.monotonic())),
}


@pytest.mark.parametrize("kind", CONTROL)
def test_control_packets_are_bounded(world: World, kind: str) -> None:
    scene = Scene(world)
    connection = scene.enter()
    scene.server._adapter.limits = Limits(io_time=1000)  # on a slow machine no update would see more than 256
    for _ in range(3000):
        scene.bad.peer.send(CONTROL[kind]())
        scene.bad.adapter.flush()
    world.until(lambda: scene.bad.closed and scene.server.made[2].ended)
    assert connection.reason == Reason(OVERLOADED, "more than 256 control packets came at once")
    assert len(scene.bad.pongs) <= 1024  # 256 an update, and the flood may take some to arrive
    scene.nobody_noticed()


def test_a_minute_of_pings_is_no_flood(memory_world: World) -> None:
    scene = Scene(memory_world)
    scene.enter()
    for _ in range(120):
        scene.bad.peer.send(packets.ping(1.0))
    memory_world.until(lambda: len(scene.bad.pongs) == 120)
    assert not scene.bad.closed


def test_pings_of_a_stranger_are_bounded(world: World) -> None:
    scene = Scene(world)
    scene.server._adapter.limits = Limits(io_time=1000)
    for _ in range(3000):
        scene.bad.peer.send(packets.ping(1.0))
        scene.bad.adapter.flush()
    world.until(lambda: scene.bad.closed)
    assert len(scene.bad.pongs) <= 1024  # 256 an update, and the flood may take some to arrive
    scene.nobody_noticed()


def test_only_the_first_goodbye_counts(memory_world: World) -> None:
    scene = Scene(memory_world)
    connection = scene.enter()
    for text in ("first", "second"):
        for _ in range(100):
            scene.bad.peer.send(packets.bye(Reason(DisconnectReason.CLOSED, text)))
    memory_world.pump()
    assert connection.reason == Reason(DisconnectReason.CLOSED, "first")
    assert len(scene.server._loop.timers) < 20


def test_strangers_that_come_and_go_leave_nothing_behind(memory_world: World) -> None:
    scene = Scene(memory_world)
    for _ in range(4 * timers._SLACK):
        stranger = scene.bad.adapter.connect(*scene.server.address)
        memory_world.pump()
        stranger.disconnect()
        memory_world.pump()
    assert len(scene.server._loop.timers) <= 2 * timers._SLACK
    scene.nobody_noticed()


def test_strangers_that_are_pushed_out_leave_nothing_behind(memory_world: World) -> None:
    scene = Scene(memory_world)
    for _ in range(4 * timers._SLACK):
        scene.bad.adapter.connect(*scene.server.address)
        memory_world.pump()
    assert len(scene.server._loop.timers) <= 2 * timers._SLACK
    scene.nobody_noticed()


def test_connections_that_are_gone_are_collected(memory_world: World) -> None:
    scene = Scene(memory_world)
    scene.nobody_noticed()
    for _ in range(4 * timers._SLACK):
        player = memory_world.join(scene.server)
        player.disconnect()
        memory_world.until(lambda player=player: player.handler.ended)
        memory_world.stop(player.client)
    scene.server.made.clear()
    gc.collect()
    left = sum(type(thing).__name__ == "Connection" for thing in gc.get_objects())
    assert left <= 2 * timers._SLACK + 10


def packing(world: World, number: int) -> bytes:
    """Return a packet that takes long to decode for its size."""
    codec = world.factory().s_adapter
    value: Any = [[[]] * 1000] * 20 if world.codec == "json" else [[{}] * 1024] * 60
    return codec.pack((1, [number, value]))  # type: ignore[no-any-return]


@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec"])
def test_decoding_takes_a_bounded_time_of_one_update(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(codec)
    monkeypatch.setattr(inbox, "_DECODING", 1e-9)  # however fast this machine is
    with World("memory", codec) as world:
        scene = Scene(world)
        scene.enter()
        handler = scene.server.made[2]
        for number in range(10):
            scene.bad.peer.send(packing(world, number))
        for number in range(10):
            assert len(handler.messages) == number
            scene.server.update()
        assert [message.text[0] for message in handler.messages] == list(range(10))
        scene.bad.peer.disconnect()
        world.until(lambda: handler.ended)
        scene.nobody_noticed()


def test_small_packets_are_not_timed(memory_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_DECODING", 1e-9)
    scene = Scene(memory_world)
    scene.enter()
    for _ in range(200):
        scene.bad.peer.send(b'[1,"%s"]' % (b"x" * 200))
    scene.server.update()
    assert len(scene.server.made[2].messages) == 200


def test_a_batch_that_took_long_is_handed_over_as_far_as_an_update_goes(
    memory_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_DECODING", -1.0)
    scene = Scene(memory_world)
    scene.enter()
    scene.bad.peer.send(b"[" + b",".join(b"[1,%d]" % number for number in range(600)) + b"]")
    scene.bad.peer.send(b'[1,"next"]')
    seen = []
    for _ in range(4):
        scene.server.update()
        seen.append(len(scene.server.made[2].messages))
    assert seen == [256, 512, 601, 601]


def test_a_wide_value_is_looked_at_level_by_level() -> None:
    start = time.thread_time()
    check_value([[[]] * 1024] * 60, Limits())
    check_value([[{}] * 1024] * 60, Limits())
    assert time.thread_time() - start < 0.5  # 20 ms


# -- TCP


def test_of_one_peer_no_more_is_read_in_a_poll_than_its_backlog_takes() -> None:
    with World("socket") as world:
        scene = Scene(world)
        scene.enter()
        adapter = scene.server._adapter
        adapter.limits = Limits(io_time=10_000)
        frame = len(b"[1,1]").to_bytes(4, "big") + b"[1,1]"
        with shout(scene, b"") as sock:
            world.until(lambda: scene.server._loop.pending)
            sock.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += sock.send(frame * 10_000)
                except BlockingIOError:
                    break
            assert sent > 200_000
            events = adapter.poll()
        assert sum(len(event[2]) + 100 for event in events) <= Limits().backlog


def test_a_player_learns_that_it_flooded() -> None:
    with World("socket") as world:
        server = world.server(limits=Limits(messages=1, backlog=20_000))
        player = world.join(server)
        while player.connected:
            for _ in range(300):
                player.net_echo("x" * 100)
                player.flush()
            world.pump()
        world.until(lambda: player.handler.ended)
        assert player.reason.code == OVERLOADED
        assert player.reason.text == "packets came faster than they could be handled (Limits.backlog)"


def test_a_connect_flood_leaves_the_players_alone() -> None:
    with World("socket") as world:
        scene = Scene(world)
        socks = []
        try:
            for _ in range(400):
                socks.append(socket.socket())
                socks[-1].setblocking(False)  # a full queue would have us wait for the server, which is us
                socks[-1].connect_ex(scene.server.address)
                if len(socks) % 100 == 0:
                    world.pump()
            world.until(lambda: len(scene.server._loop.pending) == Limits().strangers)
            scene.nobody_noticed()
        finally:
            for sock in socks:
                sock.close()


ELSEWHERE = "127.0.0.2"


def bound(kind: int, host: str = ELSEWHERE) -> socket.socket:
    """Return a socket with another address than honest players have."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.bind((host, 0))
    except OSError:
        sock.close()
        pytest.skip(f"{host} is no address here")
    return sock


def test_a_crowd_keeps_nobody_else_out() -> None:
    with World("socket") as world:
        scene = Scene(world)
        socks: deque[socket.socket] = deque()

        def crowd() -> None:  # as many as fit into the listener's queue, whenever the server looks
            for _ in range(100):
                socks.append(bound(socket.SOCK_STREAM))
                socks[-1].setblocking(False)
                socks[-1].connect_ex(scene.server.address)
            while len(socks) > 300:
                socks.popleft().close()

        try:
            world.pumps.insert(0, crowd)
            world.until(lambda: len(scene.server._loop.pending) == Limits().strangers)
            joined = [world.join(scene.server) for _ in range(2)]
            world.pumps.remove(crowd)
            assert all(player.connected for player in joined)
        finally:
            for sock in socks:
                sock.close()


def test_who_is_pushed_out_is_told(world: World) -> None:
    server = world.server(limits=Limits(strangers=3))
    first = Raw(world, server)
    others = [Raw(world, server) for _ in range(3)]
    world.until(lambda: first.closed)
    assert not any(other.closed for other in others)
    if world.network != "enet":  # there a goodbye that comes in the same update throws away what came before it
        (packet,) = first.packets
        assert packets.read_refuse(packet).reason == Reason(DisconnectReason.SERVER_FULL, _CROWD)


def test_a_crowd_at_the_same_address_keeps_nobody_out_without_a_word() -> None:
    with World("socket") as world:
        server = world.server(conn_limit=16, limits=Limits(strangers=16))
        relay = TcpRelay(server.address, delay=0.05)  # who is honest has a round trip of 100 ms
        world.add(relay, relay.pump)
        crowd: deque[socket.socket] = deque()

        def come() -> None:  # and say nothing
            for _ in range(8):
                crowd.append(socket.socket())
                crowd[-1].setblocking(False)
                crowd[-1].connect_ex(server.address)
            while len(crowd) > 100:
                crowd.popleft().close()

        try:
            world.pumps.insert(0, come)
            world.until(lambda: len(server._loop.pending) == 16)
            players = [world.connect(relay, client=world.client(message_factory=server.message_factory)) for _ in "123"]
            world.until(lambda: all(player.connected or player.reason for player in players))
            assert {player.reason for player in players} <= {None, Reason(DisconnectReason.SERVER_FULL, _CROWD)}
            assert any(player.reason for player in players), "the crowd was no crowd"
        finally:
            for sock in crowd:
                sock.close()
        world.pumps.remove(come)
        world.join(server)


def test_who_is_closed_at_once_is_counted(wire_world: World) -> None:
    world = wire_world
    server = world.server(conn_limit=4)
    players = [world.join(server) for _ in range(3)]
    hello = packets.hello(server.message_factory.get_hash(), "json")
    bad: list[Raw] = []
    most = 0
    for number in range(150):  # each is welcomed, sends nonsense, is closed, and does not go
        bad.append(Raw(world, server))
        bad[-1].peer.send(hello)
        bad[-1].peer.send(b"nonsense")
        world.until(lambda: bad[-1].packets)
        world.pumps.remove(bad[-1].poll)
        most = max(most, len(server._loop.links))
        if number % 50 == 49:
            players.append(world.join(server))
            players.pop(0).disconnect()
    assert most <= 4 + 32 + 1
    assert all(player.connected for player in players)


def test_the_log_is_not_filled(memory_world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pygnetic")
    clock = Clock()
    with World("memory", frozen_time=True) as world:
        world.clock = world.options["clock"] = clock
        scene = Scene(world)
        for _ in range(500):
            bad = Raw(world, scene.server)
            bad.peer.send(b"nonsense")
            world.pump()
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 10 and all(line.startswith("refused 127.0.0.1:") for line in lines)
        clock.now += 2
        Raw(world, scene.server).peer.send(b"nonsense")
        world.pump()
        assert [record.getMessage() for record in caplog.records][10] == "and 490 others that were sent away"


# -- enet


@pytest.mark.parametrize(("host", "ports"), [(ELSEWHERE, 1), (HOST, 1), (HOST, 30)])
def test_cookies_do_not_take_all_places(host: str, ports: int) -> None:
    pytest.importorskip("enet")
    with World("enet") as world, contextlib.ExitStack() as stack:
        server = world.server(conn_limit=32)
        adapter = server._adapter
        relay = UdpRelay(server.address, delay=0.05)  # who is honest has a round trip of 100 ms
        world.add(relay, relay.pump)
        honest = [world.join(server, address=relay.address) for _ in range(2)]
        cookies = []
        for _ in range(ports):
            sock = stack.enter_context(bound(socket.SOCK_DGRAM, host))
            sock.setblocking(False)
            address = SimpleNamespace(host=host, port=sock.getsockname()[1])
            cookies.append((sock, adapter._filter.door.cookie(address, int(adapter.clock() // _enet_cookie.PERIOD))))
        numbers = itertools.count(1)

        def flood() -> None:  # each is the begin of another connection, which is never completed
            for _ in range(200 // ports):
                for sock, cookie in cookies:
                    sock.sendto(connect(cookie, connect_id=next(numbers)), server.address)

        world.pumps.insert(0, flood)
        world.until(lambda: next(numbers) > 500)
        honest += [world.join(server, address=relay.address) for _ in range(6)]
        world.pumps.remove(flood)
        for number, player in enumerate(honest):
            player.net_echo(number)
        world.until(lambda: all(made.messages for made in server.made))
        assert len(server.connections()) == 8


def test_unreliable_messages_do_not_pile_up_before_an_update() -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        factory = world.factory()
        factory.register("move", ("x",), reliable=False)
        server = world.server(message_factory=factory, limits=Limits(backlog=8 * 1024 * 1024))
        player = world.join(server)
        adapter = player.client._adapter
        most = 0
        for _ in range(3000):
            assert player.net_move("x" * 1100)
            most = max(most, adapter.loose)
        assert 900_000 < most <= Limits().unsent + 1800
        player.net_echo("still here")
        world.until(lambda: any(m.text == "still here" for m in server.made[0].messages if hasattr(m, "text")))


def test_packets_that_a_poll_has_no_time_for_come_in_the_next() -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        server = world.server()
        player = world.join(server)
        for number in range(1500):
            player.net_echo(number)
            player.flush()
        server._adapter.limits = Limits(io_time=1e-6)
        behind = []

        def pump() -> None:
            behind.append(server._adapter._behind)
            for connection in server.connections():
                connection._inbox._limits = Limits(messages=100_000)

        world.pumps.append(pump)
        world.until(lambda: len(server.made[0].messages) == 1500)
        assert any(behind)
        assert [message.text for message in server.made[0].messages] == list(range(1500))


def test_waiting_takes_no_descriptor() -> None:
    pytest.importorskip("enet")
    resource = pytest.importorskip("resource")
    with World("enet") as world:
        server = world.server()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            server.update(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- a client meets a bad server


def test_large_packets_before_welcome_are_not_looked_into(world: World) -> None:
    factory = world.factory()
    factory.register("move", ("x",), reliable=False)
    move = b"[2,[" + b",".join([b"[]"] * 1000) + b"]]"  # larger than an unreliable message can be, and costly
    bad = BadServer(world, *[move] * 20)
    alice = world.connect(bad.address, message_factory=factory, limits=Limits(backlog=50_000))
    world.until(lambda: alice.handler.ended)
    assert alice.reason.code == OVERLOADED
    assert alice.handler.calls == ["on_disconnect"]


# -- what is said about it


def test_what_is_said_of_a_bad_packet_is_short_and_printable(memory_world: World) -> None:
    for packet in (b"[" + b"1" * 60_000 + b"e999]", b'["\\u001b[2J' + b"x" * 60_000 + b'"]', b"\xc1" + b"\x1b" * 100):
        scene = Scene(memory_world)
        connection = scene.enter()
        scene.bad.peer.send(packet)
        memory_world.until(lambda scene=scene: scene.bad.closed and scene.server.made[2].ended)
        assert connection.reason.code == DisconnectReason.PROTOCOL_ERROR
        assert 0 < len(connection.reason.text) <= 400 and connection.reason.text.isprintable()


def test_ctrl_c_in_the_middle_of_sending_loses_no_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with World("socket") as world:
        server = world.server()
        players = [world.join(server) for _ in range(2)]
        for player in players:
            player.there.net_echo("hi")
        peer_class = type(players[0].there._peer)
        write = peer_class.write

        def interrupted(peer: Any) -> None:
            monkeypatch.setattr(peer_class, "write", write)
            raise KeyboardInterrupt

        monkeypatch.setattr(peer_class, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            server.update()
        world.until(lambda: all(player.handler.messages for player in players))
