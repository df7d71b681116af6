"""Anything at all, as input: TCP framing in each run; with `-m fuzz`, hundreds of thousands of mutated inputs."""

from __future__ import annotations

import importlib
import itertools
import os
import random
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import figures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hostile_basics import Raw
from world import Recorder, World

from pygnetic._core import packets
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory
from pygnetic.network import _framing, socket_adapter
from pygnetic.network.base import CLOSED, PACKET

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, database=None)
LIMIT = 300
Note = Callable[..., None]


# -- TCP framing


def frames(packets: list[bytes]) -> bytes:
    return b"".join(len(packet).to_bytes(4, "big") + packet for packet in packets)


def read(pieces: list[bytes]) -> list[tuple[int, bytes, Any]]:
    """Return the events that a TCP peer makes of a stream that comes in these pieces."""
    adapter = socket_adapter.Adapter(limits=Limits(packet_size=LIMIT))
    waiting = iter([piece for piece in pieces if piece])
    peer = socket_adapter.Peer(adapter, ("127.0.0.1", 1))
    peer._sock = SimpleNamespace(recv=lambda size: next(waiting, b""), close=lambda: None)  # type: ignore[assignment]
    peer.state = _framing.OPEN
    while peer._sock is not None:
        peer.read()
        assert len(peer._in) <= LIMIT + 4
    events = [(kind, packet, info) for kind, _, packet, info in adapter.events]
    adapter.close()
    return events


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in itertools.pairwise(borders)]


some_packets = st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=6)
places = st.lists(st.integers(0, 2000), max_size=8)


@SETTINGS
@given(some_packets, places)
def test_a_stream_in_any_pieces_is_the_same_packets(sent: list[bytes], borders: list[int]) -> None:
    events = read(cut(frames(sent), borders))
    assert [packet for kind, packet, _ in events if kind == PACKET] == sent
    assert events[-1][::2] == (CLOSED, DisconnectReason.LOST)


@SETTINGS
@given(some_packets, st.sampled_from([0, LIMIT + 1, 2**31, 2**32 - 1]), st.binary(max_size=50), places)
def test_a_bad_length_ends_a_stream_behind_the_good_packets(
    sent: list[bytes], length: int, rest: bytes, borders: list[int]
) -> None:
    events = read(cut(frames(sent) + length.to_bytes(4, "big") + rest, borders))
    assert [packet for kind, packet, _ in events if kind == PACKET] == sent
    assert events[-1][::2] == (CLOSED, DisconnectReason.PROTOCOL_ERROR)
    assert [kind for kind, _, _ in events].count(CLOSED) == 1


@SETTINGS
@given(st.binary(max_size=400), places)
def test_any_bytes_are_packets_and_an_end(stream: bytes, borders: list[int]) -> None:
    events = read(cut(stream, borders))
    assert events == read([stream])
    *before, last = events
    assert last[0] == CLOSED
    assert {kind for kind, _, _ in before} <= {PACKET}
    assert all(0 < len(packet) <= LIMIT for _, packet, _ in before)


# -- mutated inputs, many


def mutate(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Return data with a few accidents: bytes set, inserted, doubled, cut out, or exchanged with other data's."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(result) + 1)
        accident = rng.randrange(7)
        if accident == 0 and at < len(result):
            result[at] = rng.choice((0, 1, 0x7F, 0x80, 0x90, 0xC1, 0xDC, 0xDD, 0xFF, rng.randrange(256)))
        elif accident == 1:
            result[at:at] = rng.randbytes(rng.choice((1, 1, 2, 4, 30)))
        elif accident == 2:
            del result[at : at + rng.choice((1, 1, 2, 10))]
        elif accident == 3:
            del result[at:]
        elif accident == 4:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            result[at:] = other[start:]
        elif accident == 5:
            result[at:at] = result[at : at + 20] * rng.choice((1, 3, 40))
        elif at < len(result):
            result[at] ^= 1 << rng.randrange(8)
    return bytes(result[:70_000])


VALUES: list[Any] = [
    (1, "text"), (2,), (3, 1, -1), (3, 2**63, -(2**31)), (1, "x" * 300), (1, [1, [2, [3, {"a": None}]]]),
    (1, {"a": 1.5, "b": [True, False, None]}), (3, [[1] * 20] * 20, {"": []}), (1, "\u20ac\U0001f600"),
    [(1, "one"), (2,), (3, 4, 5)], [(2,)] * 40,
]  # fmt: skip


def seed() -> int:
    """Return the seed of this run; PYGNETIC_SEED repeats one."""
    return int(os.environ.get("PYGNETIC_SEED") or 20260101)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec"])
def test_mutated_messages(codec: str, figure: Note) -> None:
    pytest.importorskip(codec)
    factory = MessageFactory(importlib.import_module(f"pygnetic.serialization.{codec}_adapter"))
    for name, fields in (("one", "x"), ("none", ()), ("two", "x y")):
        factory.register(name, fields)
    pack = factory.s_adapter.pack
    corpus = [pack(value) for value in VALUES]
    rng = random.Random(seed())
    count, good = 75_000, 0
    for _ in range(count):
        packet = mutate(rng, rng.choice(corpus), corpus)
        try:
            messages = factory.unpack_packet(packet, DEFAULT)
        except DecodeError:
            continue
        except BaseException:
            print(packet, file=sys.stderr)  # add it to test_hostile_basics.py
            raise
        good += 1
        assert messages and {type(message) for message in messages} <= set(factory.classes)
        if len(corpus) < 300:
            corpus.append(packet)  # what is still good leads further from where it began
        for message in messages:  # what was received can be sent on
            assert repr(factory.unpack(factory.pack(message))) == repr(message)
    figure(figures.FUZZ, codec, "only DecodeError", f"{count} inputs, {good} of them still messages", "no other error")


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_mutated_control_packets(figure: Note) -> None:
    kicked = Reason(DisconnectReason.KICKED, "be nice")
    corpus = [
        packets.hello(1234, "msgpack"), packets.hello(1, "json", b"key"), packets.welcome(), packets.ping(5.0),
        packets.pong(packets.ping(5.0)), packets.bye(kicked), packets.bye(kicked, final=True),
        packets.refuse(kicked), packets.refuse(Reason(DisconnectReason.SCHEMA_MISMATCH), "json\n1 move(x, y)"),
    ]  # fmt: skip
    readers: list[Callable[[bytes], Any]] = [
        packets.read_hello, packets.read_refuse, packets.read_bye, packets.pong,
        lambda packet: packets.read_pong(packet, 6.0),
    ]  # fmt: skip
    rng = random.Random(seed())
    count = 75_000
    for _ in range(count):
        packet = mutate(rng, rng.choice(corpus), corpus)
        for reader in readers:
            try:
                reader(packet)
            except DecodeError:
                pass
            except BaseException:
                print(packet, file=sys.stderr)
                raise
    figure(figures.FUZZ, "session", "only DecodeError", f"{count} inputs, each to 5 readers", "no other error")


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_mutated_packets_through_real_connections(wire_name: str, codec: str, figure: Note) -> None:
    pytest.importorskip(codec)
    count = 1000
    with World(wire_name, codec) as world:
        factory = world.factory(one=("x",), none=(), two=("x", "y"))
        reasons: dict[str, int] = {}

        class Counting(Recorder):
            def on_disconnect(self) -> None:
                super().on_disconnect()
                name = self.connection.reason.code.name
                reasons[name] = reasons.get(name, 0) + 1

        server = world.server(message_factory=factory, conn_limit=8, handler=Counting)
        player = world.join(server)
        hello = packets.hello(factory.get_hash(), factory.s_adapter.wire_name)
        corpus = [factory.s_adapter.pack(value) for value in VALUES]
        corpus += [hello, packets.ping(1.0), packets.bye(Reason(DisconnectReason.CLOSED)), packets.welcome()]
        rng = random.Random(seed())
        for number in range(count):
            bad = Raw(world, server)
            first = mutate(rng, hello, corpus) if number % 4 == 0 else hello
            for packet in (first, *(mutate(rng, rng.choice(corpus), corpus) for _ in range(3))):
                bad.peer.send(packet[:65_000])
            for _ in range(4):
                world.pump()
            bad.peer.disconnect()
            world.until(lambda bad=bad: bad.closed and len(server._loop.links) == 1)
            world.pumps.remove(bad.poll)
            world._closes.remove(bad.adapter.close)
            bad.adapter.close()
            del server.made[1:]
        assert reasons["PROTOCOL_ERROR"] > count // 3
        assert set(reasons) <= {"PROTOCOL_ERROR", "CLOSED", "LOST", "KICKED"}, reasons  # of a BYE, what it says
        player.net_one("still here")
        world.until(lambda: server.made[0].messages == [("still here",)])
        assert player.handler.calls == ["on_connect"]
    told = ", ".join(f"{reasons[name]} {name}" for name in sorted(reasons))
    figure(figures.FUZZ_WIRE, wire_name, f"{codec}: {count} clients with 4 packets each", told, "no exception")
