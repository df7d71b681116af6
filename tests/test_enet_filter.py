"""The filter before real ENet hosts on 127.0.0.1, as the adapter uses it."""

import os
import random
import struct
import time
import timeit
from collections.abc import Callable
from typing import Any

import figures
import pytest
from abuse import MB, MISCOUNTED, memory, needs_proc
from datagrams import (
    CHANNELS,
    HEADER,
    LIMIT,
    PIECE,
    SESSION,
    SLOT,
    UNRELIABLE,
    Bench,
    acknowledge,
    connect,
    fragment,
    reliable,
    unreliable,
    unsequenced,
)
from relays import UdpRelay, pump_until

from pygnetic.network.enet_filter import DatagramFilter


class End:
    """An ENet host wired up as the adapter does it."""

    def __init__(self, enet: Any, listening: bool, slots: int = 32) -> None:
        self.enet = enet
        self.host = enet.Host(enet.Address(b"127.0.0.1", 0) if listening else None, slots, CHANNELS, 0, 0)
        self.filter = DatagramFilter(
            self.host.socket.send,
            listening=listening,
            packet_limit=LIMIT,
            unreliable_limit=UNRELIABLE,
            channels=CHANNELS,
        )
        self.host.intercept = self.filter.intercept
        self.peers: dict[int, Any] = {}
        self.got: list[tuple[int, int, bytes]] = []
        self.lost = 0

    @property
    def used(self) -> int:
        return sum(peer.state != self.enet.PEER_STATE_DISCONNECTED for peer in self.host.peers)

    def connect(self, port: int) -> bytes:
        self.target = self.enet.Address(b"127.0.0.1", port)
        return self.filter.request(self.target)

    def send(self, channel: int, data: bytes, slot: int = 0) -> None:
        flags = self.enet.PACKET_FLAG_RELIABLE if channel % 2 == 0 else 0
        assert self.peers[slot].send(channel, self.enet.Packet(data, flags)) == 0

    def poll(self) -> None:
        enet = self.enet
        self.filter.turn()
        for _, cookie in self.filter.cookies():
            self.host.connect(self.target, CHANNELS, cookie)
        event = self.host.service(0)
        while event is not None and event.type != enet.EVENT_TYPE_NONE:
            slot = event.peer.incomingPeerID
            if event.type == enet.EVENT_TYPE_CONNECT:
                self.filter.opened(event.peer, lambda: 0)
                self.peers[slot] = event.peer
            elif event.type == enet.EVENT_TYPE_DISCONNECT:
                self.filter.closed(slot)
                del self.peers[slot]
                self.lost += 1
            else:
                packet = event.packet
                data = packet.data
                if not event.channelID & 1 or packet.flags & enet.PACKET_FLAG_RELIABLE:
                    number = self.filter.number(slot, event.channelID, len(data))
                    self.filter.received(slot, event.channelID, number)
                self.got.append((slot, event.channelID, data))
            event = self.host.check_events()
        if self.filter.error is not None:
            raise self.filter.error


@pytest.fixture
def enet() -> Any:
    return pytest.importorskip("enet")


@pytest.fixture
def pair(enet: Any) -> tuple[End, End]:
    server, client = End(enet, True), End(enet, False, 1)
    client.connect(server.host.address.port)
    pump_until(lambda: client.peers and server.peers, server.poll, client.poll)
    return server, client


def test_hosts_connect_through_the_cookie(pair: tuple[End, End]) -> None:
    server, client = pair
    assert (server.filter.door.challenged, server.filter.door.refused) == (1, 0)
    assert (server.filter.dropped, client.filter.dropped) == (0, 0)
    client.send(0, b"x" * LIMIT)
    server.send(1, b"y" * 1200)
    pump_until(lambda: client.got and server.got, server.poll, client.poll)
    assert server.got == [(0, 0, b"x" * LIMIT)]
    assert client.got == [(0, 1, b"y" * 1200)]
    client.peers[0].disconnect()
    pump_until(lambda: client.lost and server.lost, server.poll, client.poll)
    assert (server.used, client.used, server.filter.dropped, client.filter.dropped) == (0, 0, 0, 0)


def test_giving_up_is_not_counted_as_bad(enet: Any) -> None:
    server, client = End(enet, True), End(enet, False, 1)
    client.connect(server.host.address.port)
    pump_until(lambda: client.used, server.poll, client.poll)
    client.host.peers[0].disconnect_now()
    before = server.host.totalReceivedPackets
    pump_until(lambda: server.host.totalReceivedPackets > before, server.poll)
    assert server.filter.dropped == 0


@pytest.mark.parametrize("loss", [0.1, 0.2])
def test_hosts_connect_in_spite_of_losses(enet: Any, loss: float) -> None:
    server = End(enet, True)
    clients: list[End] = []
    with UdpRelay(("127.0.0.1", server.host.address.port), loss=loss, seed=5) as relay:
        for _ in range(10):
            clients.append(End(enet, False, 1))
            clients[-1].connect(relay.address[1])
        polls = [end.poll for end in (server, *clients)]
        pump_until(lambda: all(client.peers for client in clients), relay.pump, *polls)
    assert all(end.filter.dropped == 0 for end in (server, *clients))


def test_3000_spoofed_connects_take_no_slot(enet: Any) -> None:
    server, client = End(enet, True), End(enet, False, 1)
    sent: list[bytes] = []
    server.filter.door._send = lambda address, data: sent.append(data)
    bytes_in = 0
    for number in range(3000):
        address = enet.Address(f"10.{number % 251}.{number % 13}.{number % 17}".encode(), 1024 + number)
        for data in (connect(0), connect(number + 1), b"\x0f\xff\x00pygnetic-cookie?\x01" + os.urandom(12)):
            bytes_in += len(data)
            assert server.filter.intercept(address, data)
    assert server.used == 0
    assert sum(map(len, sent)) <= bytes_in
    assert (len(sent), server.filter.door.challenged, server.filter.door.refused) == (3000, 3000, 6000)
    # and for real, with a client that wants in meanwhile
    server.filter.door._send = server.host.socket.send
    floods = [enet.Host(None, 1, 1) for _ in range(30)]
    target = enet.Address(b"127.0.0.1", server.host.address.port)
    client.connect(server.host.address.port)
    for number in range(100):
        for flood in floods:
            flood.socket.send(target, connect(0, connect_id=number))
        server.poll()
        client.poll()
    pump_until(lambda: client.peers and server.peers, server.poll, client.poll)
    assert server.used == 1


def attacks(server: End) -> dict[str, list[bytes]]:
    peer = server.peers[0]
    header = struct.pack(">HH", 0x8000 | peer.incomingSessionID << 12, 1)
    return {
        "1 of 2^20": [
            header + fragment(start, count=1 << 20, total=32 << 20, channel=channel)
            for channel in (0, 2)
            for start in range(1500)
        ],
        "1 of 2^20, unreliable": [header + fragment(start, count=1 << 20, kind=0x0C) for start in range(3000)],
        "1 of 48": [header + fragment(start) for start in range(2, 3002)],
        "48 of 48, short": [header + fragment(start, 47, 47 * PIECE + 1) * 30 for start in range(2, 3002)],
        "1 of 2": [header + fragment(start, 1, PIECE + 1) * 30 for start in range(2, 12002, 2)],
        "reliable, ahead": [
            header + b"".join(reliable(0, start + number, channel) for number in range(32))
            for channel in range(CHANNELS)
            for start in range(2, 28000, 32)
        ],
        "reliable, ahead, large": [
            header + reliable(1300, number, channel) for channel in (0, 2) for number in range(2, 5000)
        ],
        "reliable, a little ahead on each channel": [
            header + reliable(1300, number, channel) for channel in range(0, CHANNELS, 2) for number in range(2, 1000)
        ],
        "whole packets, ahead": [
            header + fragment(start, number) for start in range(2, 10000, 48) for number in range(48)
        ],
        "unsequenced on a reliable channel, then reliable": [
            *[header + unsequenced(2, 2) * 32 for _ in range(750)],
            *[header + reliable(1300, number, 2) for number in range(2, 24000)],
        ],
        "unreliable, ahead": [
            header + b"".join(struct.pack(">BBHHH", 7, 1, step, start + number, 0) for number in range(32))
            for step in (1, 2)
            for start in range(0, 65000, 32)
        ],
    }


def bombard(name: str, server: End, client: End) -> int:
    target = client.peers[0].address
    datagrams = attacks(server)[name]
    socket = client.host.socket
    before = memory()
    for number, data in enumerate(datagrams):
        socket.send(target, data)
        if number % 16 == 0:
            server.poll()
    for _ in range(20):
        server.poll()
    return memory() - before


@pytest.mark.parametrize(
    "name",
    [
        "1 of 2^20",
        "1 of 2^20, unreliable",
        "1 of 48",
        "48 of 48, short",
        "1 of 2",
        "reliable, ahead",
        "reliable, ahead, large",
        "reliable, a little ahead on each channel",
        "whole packets, ahead",
        "unsequenced on a reliable channel, then reliable",
        "unreliable, ahead",
    ],
)
@needs_proc
def test_an_accepted_connection_cannot_fill_the_memory(pair: tuple[End, End], name: str) -> None:
    server, client = pair
    grown = bombard(name, server, client)
    print(f"{name}: {grown / 1e6:.1f} MB, {server.filter.dropped} dropped")
    assert grown < 5 * MB + 2 * MISCOUNTED  # of two readings
    assert server.filter.dropped > 1000
    # and the next packet in turn still arrives
    client.send(4, b"z" * LIMIT)
    pump_until(lambda: server.got, server.poll, client.poll)


@pytest.mark.abuse
def test_what_a_small_datagram_costs(figure: Callable[..., None]) -> None:
    bench = Bench()
    datagrams = {
        "an acknowledgement": bytes((SESSION << 4, SLOT)) + acknowledge(),
        "a reliable message of 40 bytes": HEADER + acknowledge() + reliable(),
        "an unreliable message of 40 bytes": HEADER + unreliable(),
    }
    for name, data in datagrams.items():
        assert bench.passes(data)
        names = {"intercept": bench.filter.intercept, "address": bench.here, "data": data}
        times = timeit.repeat("intercept(address, data)", globals=names, timer=time.thread_time, repeat=20, number=9999)
        cost = min(times) / 9999 * 1e6
        figure(figures.FILTER, "enet", name, f"{cost:.2f} µs", "1 µs (see above)")
        assert cost < 5  # on a machine that is much slower, or a Python that traces, as well


def load(rng: random.Random, packets: int) -> list[tuple[int, bytes]]:
    sizes = (1, 3, 20, 60, 300, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 20000, LIMIT - 1, LIMIT)
    return [(rng.choice((0, 0, 2, 14)), rng.randbytes(rng.choice(sizes))) for _ in range(packets)]


def converse(server: End, client: End, packets: int, *poll: Callable[[], object], timeout: float) -> None:
    rng = random.Random(11)
    wanted = {end: load(rng, packets) for end in (server, client)}
    for end, other in ((server, client), (client, server)):
        for channel, data in wanted[other]:
            other.send(channel, data)
            if len(data) < 400:
                other.send(channel + 1, data)
        assert end.got == []

    def arrived() -> bool:
        return all(sum(channel % 2 == 0 for _, channel, _ in end.got) >= packets for end in (server, client))

    pump_until(arrived, server.poll, client.poll, *poll, timeout=timeout)
    for end, other in ((server, client), (client, server)):
        for channel in (0, 2, 14):
            assert [data for _, c, data in end.got if c == channel] == [d for c, d in wanted[other] if c == channel]
        assert (end.filter.dropped, end.lost) == (0, 0)


def test_honest_load_is_never_dropped(pair: tuple[End, End]) -> None:
    converse(*pair, packets=400, timeout=20)


@pytest.mark.parametrize("packets", [30, pytest.param(1000, marks=pytest.mark.abuse)])
def test_honest_load_is_never_dropped_on_a_bad_line(enet: Any, packets: int) -> None:
    server, client = End(enet, True), End(enet, False, 1)
    with UdpRelay(("127.0.0.1", server.host.address.port), loss=0.05, duplicate=0.05, reorder=0.05, seed=2) as relay:
        client.connect(relay.address[1])
        pump_until(lambda: client.peers and server.peers, server.poll, client.poll, relay.pump)
        converse(server, client, packets, relay.pump, timeout=packets)


def test_many_tiny_packets_all_come_in_order(pair: tuple[End, End]) -> None:
    server, client = pair
    for number in range(20000):
        client.send(0, number.to_bytes(4, "big"))
    pump_until(lambda: len(server.got) == 20000, server.poll, client.poll)
    # what the system's buffer had no room for comes again, out of order, and some of it once more in a later turn
    assert server.filter.dropped < 1000
    assert [int.from_bytes(data, "big") for _, _, data in server.got] == list(range(20000))


def test_unreliable_packets_go_on_when_enet_runs_out_of_numbers(pair: tuple[End, End]) -> None:
    server, client = pair
    # twice 65536, and the frames before the reliable ones are delivered lose theirs
    for _ in range(6000):
        for _ in range(25):
            client.send(1, b"u")
        client.host.flush()
        server.poll()
        client.poll()
    pump_until(lambda: server.got and len(server.got) >= 149_000, server.poll, client.poll)
    assert server.filter.dropped <= 20
