"""What strangers can do to a server at full speed: `python -m pytest -m abuse` prints the figures."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import figures
import pytest
from abuse import MB, MISCOUNTED, PATIENCE, Growth, descriptors, longest, megabytes, needs_proc, settled, spent
from datagrams import connect, fragment, reliable
from test_hostile_basics import Raw, Scene
from world import HOST, World

from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, MessageTooLarge
from pygnetic.limits import Limits

pytestmark = [pytest.mark.abuse, pytest.mark.timeout(180), needs_proc]

Note = Callable[..., None]
QUESTION = b"\x0f\xff\x00pygnetic-cookie?\x01" + bytes(12)


@pytest.fixture
def enet_world() -> Iterator[World]:
    pytest.importorskip("enet")
    with World("enet") as world:
        yield world


@pytest.fixture
def tcp_world() -> Iterator[World]:
    with World("socket") as world:
        yield world


def test_growth_is_seen() -> None:
    with Growth() as growth:
        held = bytearray(20 * MB)
        del held
    error = 6 * MISCOUNTED  # that of three counters, read twice
    assert 20 * MB - error <= growth.peak < 25 * MB and growth.left < MB + error


def says(player: Any, number: int, of: int) -> None:
    """Have a player send its 20 messages in the course of an attack."""
    if number % (of // 20) == 0:
        player.net_echo(number)


def numbers(server: Any) -> list[int]:
    return [message.text for message in server.made[0].messages]


def from_port_0(target: int, count: int) -> int:
    """Send datagrams whose source port is 0; return how many could be sent (none without the right to do so)."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except (OSError, AttributeError):
        return 0
    with raw:
        for number in range(count):
            data = random.randbytes(1 + number % 1400)
            raw.sendto(struct.pack("!HHHH", 0, target, 8 + len(data), 0) + data, (HOST, 0))
    return count


def test_random_datagrams(enet_world: World, figure: Note) -> None:
    server = enet_world.server()
    player = enet_world.join(server)
    rng = random.Random(1)
    busy: list[float] = []
    enet_world.pumps[enet_world.pumps.index(server.update)] = lambda: busy.append(spent(server.update))
    starts = (b"", b"", QUESTION[:20], b"\x8f\xff", b"\x80\x00", b"\x90\x00", b"\x00\x00\x07")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

        def attack(count: int) -> None:
            for number in range(count):
                says(player, number, count)
                sock.sendto((rng.choice(starts) + rng.randbytes(rng.randint(1, 1400)))[:1400], server.address)
                if number % 100 == 0:
                    sock.sendto(rng.randbytes(5000), server.address)
                if number % 20 == 0:
                    enet_world.pump()

        attack(2000)
        enet_world.until(lambda: len(numbers(server)) == 20)
        with Growth() as growth:
            busy.clear()
            attack(100_000)
            each = sum(busy) / 101_000
            raw = from_port_0(server.address[1], 1000)
            enet_world.until(lambda: len(numbers(server)) == 40)
    assert server._adapter._filter.dropped + server._adapter._filter.door.challenged > 90_000
    figure(figures.RANDOM, "enet", "memory at its worst", megabytes(growth.peak), "below +5 MB")
    figure(figures.RANDOM, "enet", "an honest client's messages", "20 of 20", "20")
    figure(figures.RANDOM, "enet", "processor time for each datagram", f"{each * 1000:.1f} µs")
    figure(figures.RANDOM, "enet", "of these from port 0", str(raw) if raw else "not allowed here")
    assert growth.peak < 5 * MB
    assert player.connected and player.handler.calls == ["on_connect"]


def test_random_streams(tcp_world: World, figure: Note) -> None:
    server = tcp_world.server()
    player = tcp_world.join(server)
    rng = random.Random(1)

    def attack(count: int) -> None:
        for number in range(count):
            says(player, number, count)
            with socket.create_connection(server.address) as sock:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(rng.choice((b"", b"\0\0", b"\0\0\0\7\xc1\1")) + rng.randbytes(rng.randint(1, 1400)))
                tcp_world.pump()

    attack(200)
    with Growth() as growth:
        attack(2000)
        tcp_world.until(lambda: len(numbers(server)) == 40)
    figure(figures.STREAMS, "socket", "memory at its worst", megabytes(growth.peak), "below +5 MB")
    figure(figures.STREAMS, "socket", "an honest client's messages", "20 of 20", "20")
    assert growth.peak < 5 * MB
    assert player.connected and player.handler.calls == ["on_connect"]


def test_fragment_bombs(enet_world: World, figure: Note) -> None:
    server = enet_world.server()
    bad, player = enet_world.join(server), enet_world.join(server)
    adapter = server._adapter
    peer = adapter._host.peers[0]  # the first to come is in the first slot
    assert bad.there._peer.slot == 0
    header = struct.pack(">HH", 0x8000 | peer.incomingSessionID << 12, 1)
    target = bad._peer.remote.address
    sock = bad.client._adapter._host.socket
    dropped = adapter._filter.dropped
    with Growth() as growth:
        for kind in (0x88, 0x8C):
            for start in range(3000):
                sock.send(target, header + fragment(start, count=1 << 20, total=32 << 20, kind=kind))
                if start % 16 == 0:
                    enet_world.pump()
        enet_world.settle()
    dropped = adapter._filter.dropped - dropped
    figure(figures.FRAGMENTS, "enet", "memory at its worst", megabytes(growth.peak), "below +5 MB")
    figure(figures.FRAGMENTS, "enet", "dropped and counted", f"{dropped} of 6000", "6000")
    assert growth.peak < 5 * MB
    assert dropped == 6000
    player.net_echo("still here")
    bad.net_echo("so am I: anyone may have sent them under my address")
    enet_world.until(lambda: all(made.messages for made in server.made))


def test_early_packets(enet_world: World, figure: Note) -> None:
    server = enet_world.server()
    bad, player = enet_world.join(server), enet_world.join(server)
    peer = server._adapter._host.peers[0]
    header = struct.pack(">HH", 0x8000 | peer.incomingSessionID << 12, 1)
    sock = bad.client._adapter._host.socket
    # the next in turn never comes: 13 MB in single datagrams on all channels, then 13 MB in whole packets
    commands = [reliable(1300, number, channel) for number in range(9, 329) for channel in range(0, 64, 2)]
    commands += [fragment(start, number, channel=4) for start in range(1000, 10_600, 48) for number in range(48)]
    with Growth() as growth:
        for number, command in enumerate(commands):
            sock.send(bad._peer.remote.address, header + command)
            if number % 16 == 0:
                enet_world.pump()
        enet_world.settle()
    figure(figures.EARLY, "enet", "memory at its worst", megabytes(growth.peak), "below +6 MB")
    assert growth.peak < 6 * MB
    player.net_echo("still here")
    bad.net_echo("so am I")
    enet_world.until(lambda: all(made.messages for made in server.made))


def test_spoofed_connects(enet_world: World, figure: Note) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.1.2.3", 0))
        except OSError:
            pytest.skip("127.1.2.3 is none of this machine's addresses")
    server = enet_world.server(conn_limit=32)
    adapter = server._adapter
    bytes_in = bytes_out = worst = 0
    player, since, took = None, 0.0, 0.0
    rng = random.Random(3)
    for batch in range(30):
        socks = []
        for number in range(100):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            socks.append(sock)
            sock.setblocking(False)
            sock.bind((f"127.{batch + 1}.{number + 1}.7", 0))
            for data in (QUESTION, connect(0), connect(rng.getrandbits(32))):
                bytes_in += sock.sendto(data, server.address)
            if number % 10 == 0:
                enet_world.pump()
        if batch == 10:
            since = time.monotonic()
            player = enet_world.connect(server)
        enet_world.pump()
        if player is not None and player.connected and not took:
            took = time.monotonic() - since
        # the honest client is at HOST, and nobody else
        worst = max(worst, sum(peer.state != 0 and peer.address.host != HOST for peer in adapter._host.peers))
        for sock in socks:
            with contextlib.suppress(BlockingIOError):
                while True:
                    bytes_out += len(sock.recv(2000))
            sock.close()
    figure(figures.SPOOFED, "enet", "places taken", str(worst), "0")
    figure(figures.SPOOFED, "enet", "an honest client is in after", f"{took:.2f} s", "1 s")
    figure(figures.SPOOFED, "enet", "bytes out for bytes in", f"{bytes_out} for {bytes_in}", "no more")
    assert worst == 0 and 0 < took < 1 + PATIENCE and bytes_out <= bytes_in
    assert server._adapter._filter.door.refused >= 5000


def test_connects_that_say_nothing(tcp_world: World, figure: Note) -> None:
    server = tcp_world.server(conn_limit=32)
    first = tcp_world.join(server)
    took, updates = [], []
    socks: list[socket.socket] = []
    tcp_world.pumps[tcp_world.pumps.index(server.update)] = lambda: updates.append(spent(server.update))

    def attack() -> None:
        """Go on, whatever else is waited for: most are closed only when the server has dropped them long ago."""
        for _ in range(20):
            socks.append(socket.create_connection(server.address, source_address=("127.0.0.2", 0)))
            if len(socks) > 200:
                socks.pop(0).close()

    tcp_world.pumps.append(attack)
    try:
        with settled(), Growth() as growth:
            for number in range(150):
                tcp_world.pump()
                if number % 50 == 25:
                    since = time.monotonic()
                    tcp_world.join(server)
                    took.append(time.monotonic() - since)
    finally:
        tcp_world.pumps.remove(attack)
        for sock in socks:
            sock.close()
    figure(figures.CONNECTS, "socket", "an honest client is in after", f"{max(took):.2f} s", "1 s")
    figure(figures.CONNECTS, "socket", "longest update", f"{max(updates):.1f} ms", "10 ms")
    figure(figures.CONNECTS, "socket", "memory at its worst", megabytes(growth.peak), "below +5 MB")
    assert max(took) < 1 + PATIENCE and longest(updates) < 10 and growth.peak < 5 * MB
    first.net_echo("still here")
    tcp_world.until(lambda: numbers(server) == ["still here"])


HEADERS = (b"\xdc\4\0", b"\xdd\0\0\4\0", b"\xde\4\0", b"\xdf\0\0\4\0", b"\x9f", b"\x8f", b"\x91", b"\x81\xa1a")


@pytest.mark.parametrize("codec", ["msgpack", "msgspec"])
def test_decoder_bombs(wire_name: str, codec: str, figure: Note) -> None:
    pytest.importorskip(codec)
    with World(wire_name, codec) as world:

        def attack() -> int:
            scene = Scene(world)
            refused = 0
            for header in HEADERS:
                connection = scene.enter()
                scene.bad.peer.send(b"\x92\x01" + header * (8190 // len(header)))
                world.until(lambda scene=scene: scene.bad.closed and not scene.server._loop.ready)
                refused += connection.reason.code == DisconnectReason.PROTOCOL_ERROR
                scene.server.made.pop()
                scene.bad = Raw(world, scene.server)
            return refused

        attack()
        with Growth() as growth:
            refused = attack()
    name = f"{wire_name}, {codec}"
    figure(figures.BOMBS, name, "refused as PROTOCOL_ERROR", f"{refused} of {len(HEADERS)}", "all")
    figure(figures.BOMBS, name, "memory at its worst", megabytes(growth.peak), "below +1 MB")
    assert refused == len(HEADERS) and growth.peak < MB + MISCOUNTED


def test_a_packet_of_64_kib_and_1_byte(wire_world: World, figure: Note) -> None:
    server = wire_world.server(limits=Limits(idle_time=3))
    player = wire_world.join(server)
    size = Limits().packet_size - len(b'[1,""]')
    with pytest.raises(MessageTooLarge, match=r"echo\(text\) has 65537 bytes; a message can have 65536"):
        player.net_echo("x" * (size + 1))
    player.net_echo("x" * size)
    wire_world.until(lambda: server.made[0].messages)
    bad = Raw(wire_world, server)
    factory = server.message_factory
    bad.peer.send(packets.hello(factory.get_hash(), "json"))
    wire_world.until(lambda: len(server.connections()) == 2)
    connection = server.connections()[1]
    bad.adapter.limits = Limits(packet_size=1 << 20)
    with Growth() as growth:
        bad.peer.send(b'[1,"' + b"x" * (size + 1) + b'"]')
        wire_world.until(lambda: server.made[1].ended)
    name = wire_world.network
    figure(figures.BOMBS, name, "64 KiB and 1 byte", connection.reason.code.name, "refused")
    figure(figures.BOMBS, name, "memory at its worst", megabytes(growth.peak), "below +1 MB")
    # what is too long is dropped before ENet sees it, since its sender may be forged: so nothing is heard of the peer
    expected = {"enet": DisconnectReason.TIMEOUT, "socket": DisconnectReason.PROTOCOL_ERROR}
    assert connection.reason.code == expected[name] and growth.peak < MB + MISCOUNTED
    assert server.made[1].messages == []
    player.net_echo("still here")
    wire_world.until(lambda: len(server.made[0].messages) == 2)


def test_silent_clients(tcp_world: World, figure: Note) -> None:
    limits = Limits(strangers=300)
    server = tcp_world.server(limits=limits)
    player = tcp_world.join(server)
    hello = packets.hello(server.message_factory.get_hash(), "json")
    half = (len(hello).to_bytes(4, "big") + hello)[: 4 + len(hello) // 2]
    socks = []
    updates: list[float] = []
    tcp_world.pumps.append(lambda: updates.append(spent(lambda: server.update(0))))
    try:
        start = time.monotonic()
        with settled():
            for number in range(200):
                socks.append(socket.create_connection(server.address))
                if number % 2:
                    socks[-1].sendall(half)
                tcp_world.pump()
            assert len(server._loop.pending) == 200
            tcp_world.until(lambda: not server._loop.pending, timeout=limits.connect_time + PATIENCE)
        gone = time.monotonic() - start
    finally:
        for sock in socks:
            sock.close()
    player.net_echo("still here")
    tcp_world.until(lambda: numbers(server) == ["still here"])
    figure(figures.SILENT, "socket", "longest update(0)", f"{max(updates):.1f} ms", "5 ms")
    figure(figures.SILENT, "socket", "gone after", f"{gone:.1f} s", f"{limits.connect_time:.0f} s")
    assert longest(updates) <= 5


def test_cycles(wire_world: World, figure: Note) -> None:
    world = wire_world
    server = world.server(limits=Limits(close_time=0.5))
    client = world.client()

    def cycle(number: int) -> None:
        if number % 2:  # half of them with the same Client, half with a new one
            connection = world.join(server, client=client)
        else:
            connection = world.join(server)
        (connection if number % 4 < 2 else connection.there).disconnect()
        world.until(lambda: connection.handler.ended and not server.connections())
        if not number % 2:
            world.stop(connection.client)
            world._closes.remove(connection.client.close)
        server.made.clear()

    def settle() -> None:
        world.until(lambda: not server._loop.links and not client._loop.links)
        world.settle(0.6)

    for number in range(200):
        cycle(number)
    settle()
    before = descriptors()
    with Growth() as growth:
        for number in range(2000):
            cycle(number)
        settle()
    difference = descriptors() - before
    figure(figures.CYCLES, world.network, "memory left", megabytes(growth.left), "below +1 MB")
    figure(figures.CYCLES, world.network, "descriptors left", f"{difference:+d}", "+0")
    assert growth.left < MB + MISCOUNTED and difference == 0


def test_no_descriptor_left(tcp_world: World, figure: Note) -> None:
    resource = pytest.importorskip("resource")
    server = tcp_world.server(conn_limit=64)
    player = tcp_world.join(server)
    hello = packets.hello(server.message_factory.get_hash(), "json")
    socks = [socket.socket() for _ in range(20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (socks[-1].fileno(), hard))
    try:
        for sock in socks:  # these have theirs, the server has none for them
            sock.connect(server.address)
            sock.sendall(len(hello).to_bytes(4, "big") + hello)
        updates, cpu = 0, time.thread_time()
        start = time.monotonic()
        while time.monotonic() < start + 1:
            server.update(50)
            updates += 1
        cpu = time.thread_time() - cpu
        player.net_echo("still here")
        tcp_world.until(lambda: numbers(server) == ["still here"])
        assert len(server.connections()) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    since = time.monotonic()
    tcp_world.until(lambda: len(server.connections()) == 21)
    took = time.monotonic() - since
    for sock in socks:
        sock.close()
    figure(figures.DESCRIPTORS, "socket", "calls of update(50) in a second", str(updates), "30")
    figure(figures.DESCRIPTORS, "socket", "processor time of that second", f"{cpu * 1000:.0f} ms", "100 ms")
    figure(figures.DESCRIPTORS, "socket", "all in, when there are some again, after", f"{took:.2f} s", "1 s")
    assert updates <= 30 and cpu < 0.1 and took < 1 + PATIENCE
