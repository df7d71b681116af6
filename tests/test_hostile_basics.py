"""One bad client: whatever it sends, at whatever stage, it is closed, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from world import HOST, World

from pygnetic import network
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import DEFAULT, Limits
from pygnetic.network.base import CLOSED, OPENED, PACKET

PROTOCOL_ERROR = DisconnectReason.PROTOCOL_ERROR
CLOSED_BY_CLIENT = DisconnectReason.CLOSED


class Raw:
    """A client that is an adapter only, and says what a test makes it say."""

    def __init__(self, world: World, server: Any) -> None:
        self.adapter = network.adapter_class(network.get_adapter(world.network))(limits=Limits(), **world.options)
        self.peer = self.adapter.connect(*server.address)
        self.kinds: list[int] = []
        self.packets: list[bytes] = []  # but for PINGs
        self.pongs: list[bytes] = []
        self.world = world
        world.add(self.adapter, self.poll)
        world.until(lambda: OPENED in self.kinds)

    def poll(self) -> None:
        for kind, _, packet, _ in self.adapter.poll():
            self.kinds.append(kind)
            if kind == PACKET:
                {b"\xc1\x04": [], b"\xc1\x05": self.pongs}.get(packet[:2], self.packets).append(packet)

    @property
    def closed(self) -> bool:
        return CLOSED in self.kinds


class Scene:
    """A server with two honest players on it, and a bad one."""

    def __init__(self, world: World, limits: Limits = DEFAULT) -> None:
        self.world = world
        self.server = world.server(limits=limits)
        self.players = [world.join(self.server) for _ in range(2)]
        self.bad = Raw(world, self.server)

    def hello(self) -> bytes:
        factory = self.server.message_factory
        return packets.hello(factory.get_hash(), factory.s_adapter.wire_name)

    def enter(self) -> Any:
        """Have the bad client welcomed; return the server's connection."""
        self.bad.peer.send(self.hello())
        self.world.until(lambda: len(self.server.connections()) == 3 and len(self.server.made) == 3)
        return self.server.connections()[2]

    def nobody_noticed(self) -> None:
        """Check that the honest players still play, and were told nothing else."""
        for number, player in enumerate(self.players):
            player.net_echo(f"from {number}")
            player.there.net_echo(f"to {number}")
        self.world.until(lambda: all(len(made.messages) == 1 for made in self.server.made[:2]))
        self.world.until(lambda: all(player.handler.messages for player in self.players))
        for number, player in enumerate(self.players):
            assert player.handler.calls == ["on_connect", (f"to {number}",)]
            assert self.server.made[number].calls == ["on_connect", (f"from {number}",)]
        assert self.server.connections() == [player.there for player in self.players]


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


HELLO = packets.hello(1234, "json")
NO_HELLO = {
    "one byte": b"x",
    "a message": b'[1,"hello"]',
    "only the mark": b"\xc1",
    "no such control packet": b"\xc1\x07",
    "a control packet 0": b"\xc1\x00",
    "HELLO's head": HELLO[:2],
    "HELLO without its hash": HELLO[:4],
    "HELLO without its end": HELLO[:-1],
    "HELLO and more": HELLO + b"x",
    "HELLO with a longer name": HELLO[:7] + b"\xff" + HELLO[8:],
    "HELLO with a name that is no UTF-8": HELLO[:8] + b"\xff\xfe\xfd\xfc" + HELLO[12:],
    "HELLO with too much in it": packets.hello(1234, "json", bytes(packets.MAX_APPLICATION + 1)),
    "WELCOME": packets.welcome(),
    "REFUSE": packets.refuse(Reason(DisconnectReason.SERVER_FULL)),
    "BYE": packets.bye(Reason(DisconnectReason.CLOSED)),
    "PONG": packets.pong(packets.ping(1.0)),
    "half a PING": packets.ping(1.0)[:5],
    "HTTP": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "zeros": bytes(1000),
    "a big one": b"\xc1\x01\x01" + bytes(65_000),
}


@pytest.mark.parametrize("packet", NO_HELLO.values(), ids=NO_HELLO)
def test_something_else_instead_of_hello(scene: Scene, packet: bytes) -> None:
    assert scene.bad.peer.send(packet)
    scene.bad.peer.send(scene.hello())  # comes too late
    scene.world.until(lambda: scene.bad.closed)
    (answer,) = scene.bad.packets
    assert packets.read_refuse(answer).reason.code == PROTOCOL_ERROR
    assert len(scene.server.made) == 2
    scene.nobody_noticed()


def test_another_version_is_refused_whatever_else_its_hello_says(scene: Scene) -> None:
    scene.bad.peer.send(b"\xc1\x01\x63 something of the year 2040")
    scene.world.until(lambda: scene.bad.closed)
    refusal = packets.read_refuse(scene.bad.packets[0])
    assert refusal.reason.code == DisconnectReason.VERSION_MISMATCH
    assert "server: protocol 1; client: protocol 99" in refusal.reason.text
    scene.nobody_noticed()


def test_a_client_does_not_choose_what_the_server_tells_of_it(scene: Scene) -> None:
    connection = scene.enter()
    scene.bad.peer.send(packets.bye(Reason(DisconnectReason.SERVER_FULL, "Dave was kicked")))
    scene.world.until(lambda: connection.reason)
    assert connection.reason == Reason(DisconnectReason.CLOSED, "Dave was kicked")
    scene.bad.peer.send(b"nonsense", channel=1)  # on channel 0 it would be nobody's
    scene.world.until(lambda: scene.server.made[2].ended)
    assert connection.reason.code == (CLOSED_BY_CLIENT if scene.world.network == "socket" else PROTOCOL_ERROR)
    scene.nobody_noticed()


def test_a_stranger_may_ping_and_then_enter(scene: Scene) -> None:
    scene.bad.peer.send(packets.ping(1.0))
    scene.world.until(lambda: scene.bad.pongs == [packets.pong(packets.ping(1.0))])
    scene.enter()
    scene.world.until(lambda: scene.bad.packets == [packets.welcome()])


def test_a_stranger_that_leaves_is_nobody(scene: Scene) -> None:
    scene.bad.peer.disconnect()
    scene.world.until(lambda: scene.bad.closed)
    scene.nobody_noticed()
    assert len(scene.server.made) == 2


def test_hello_and_leave(scene: Scene) -> None:
    scene.bad.peer.send(scene.hello())
    scene.bad.peer.disconnect()
    scene.world.until(lambda: scene.bad.closed)
    scene.world.until(lambda: len(scene.server.made) in (2, 3) and len(scene.server.connections()) == 2)
    scene.nobody_noticed()
    assert [made.calls for made in scene.server.made[2:]] in ([], [["on_connect", "on_disconnect"]])


def test_strangers_are_limited_and_players_are_not_among_them(world: World) -> None:
    scene = Scene(world, Limits(strangers=5))
    strangers = [Raw(world, scene.server) for _ in range(8)]
    world.until(lambda: sum(stranger.closed for stranger in [scene.bad, *strangers]) == 4)
    world.settle()
    assert [stranger.closed for stranger in [scene.bad, *strangers]] == [True] * 4 + [False] * 5
    scene.nobody_noticed()
    strangers[-1].peer.send(scene.hello())
    world.until(lambda: strangers[-1].packets == [packets.welcome()])


AFTER_WELCOME = {
    "a second HELLO": HELLO,
    "WELCOME": packets.welcome(),
    "REFUSE": packets.refuse(Reason(DisconnectReason.CLOSED)),
    "only the mark": b"\xc1",
    "no such control packet": b"\xc1\x63",
    "half a PING": packets.ping(1.0)[:6],
    "half a PONG": packets.ping(1.0)[:6].replace(b"\x04", b"\x05"),
    "BYE with an unknown code": b"\xc1\x06\x63\x00\x00\x00",
    "BYE that is cut": packets.bye(Reason(DisconnectReason.CLOSED, "text"))[:-3],
    "BYE and more": packets.bye(Reason(DisconnectReason.CLOSED, "text")) + b"x",
    "BYE that is no UTF-8": b"\xc1\x06\x00\x00\x01\xff\x00",
    "no JSON": b"hello",
    "no UTF-8": b'[1,"\xff"]',
    "JSON that is cut": b'[1,"hello"',
    "JSON and more": b'[1,"hello"] [1,"hello"]',
    "an empty batch": b"[]",
    "an empty message in a batch": b"[[]]",
    "a nested batch": b'[[[1,"hello"]]]',
    "a batch that ends badly": b'[[1,"a"],7]',
    "a batch of a message and an empty one": b'[[1,"a"],[]]',
    "a batch of a batch and a message": b'[[1,"a"],[[1,"b"]]]',
    "an object": b'{"1":"hello"}',
    "an object in a batch": b'[[1,"a"],{"1":"hello"}]',
    "a number": b"1",
    "a string": b'"hello"',
    "null": b"null",
    "a type id that is not there": b'[2,"hello"]',
    "type id 0": b'[0,"hello"]',
    "a negative type id": b'[-1,"hello"]',
    "a huge type id": b'[18446744073709551615,"hello"]',
    "a type id that is true": b'[true,"hello"]',
    "a type id that is 1.0": b'[1.0,"hello"]',
    "a type id that is a string": b'["1","hello"]',
    "a type id that is null": b'[null,"hello"]',
    "a type id that is an object": b'[{},"hello"]',
    "no field": b"[1]",
    "too many fields": b'[1,"hello","again"]',
    "a field with NaN": b"[1,NaN]",
    "a field with an endless number": b"[1,1e999]",
    "a field with a huge integer": b"[1," + b"9" * 5_000 + b"]",
    "a field with half a surrogate": b'[1,"\\ud800"]',
    "a field nested too deeply": b"[1," + b"[" * 17 + b"]" * 17 + b"]",
    "a field nested much too deeply": b"[1," + b"[" * 30_000 + b"]" * 30_000 + b"]",
    "a field that is too long": json.dumps([1, [0] * 1025]).encode(),
    "a batch that is too long": json.dumps([[1, 0]] * 1025).encode(),
}


@pytest.mark.parametrize("packet", AFTER_WELCOME.values(), ids=AFTER_WELCOME)
def test_something_wrong_after_welcome(scene: Scene, packet: bytes) -> None:
    connection = scene.enter()
    handler = scene.server.made[2]
    scene.bad.peer.send(packet)
    scene.bad.peer.send(b'[1,"too late"]')
    scene.world.until(lambda: scene.bad.closed and handler.ended)
    assert connection.reason.code == PROTOCOL_ERROR
    assert connection.reason.text
    assert handler.calls == ["on_connect", "on_disconnect"]
    welcome, bye = scene.bad.packets
    assert welcome == packets.welcome()
    assert packets.read_bye(bye).reason.code == PROTOCOL_ERROR
    scene.nobody_noticed()


def test_an_empty_packet(scene: Scene) -> None:
    connection = scene.enter()
    scene.bad.peer.send(b"")
    scene.world.until(lambda: scene.bad.closed and scene.server.made[2].ended)
    assert connection.reason.code == PROTOCOL_ERROR
    scene.nobody_noticed()


MESSAGEPACK = {
    "an ext type": b"\x92\x01\xc7\x01\x05x",
    "a timestamp": b"\x92\x01\xd6\xff\x00\x00\x00\x01",
    "an ext type instead of a message": b"\xd4\x05x",
    "a byte that means nothing": b"\x92\x01\xc1",
    "a batch of nothing": b"\x90",
    "a nested batch": b"\x91\x91\x92\x01\xa1x",
    "a type id that is true": b"\x92\xc3\xa1x",
    "a type id that is 1.0": b"\x92\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa1x",
    "a map": b"\x81\x01\xa1x",
    "a map that looks like a message": b"\x82\x00\x01\xa1x\x02",
    "a map that looks like one in a batch": b"\x92\x92\x01\xa1x\x82\x00\x01\xa1x\x02",
    "bytes that look like a message": b"\xc4\x02\x01x",
    "bytes that look like one in a batch": b"\x92\x92\x01\xa1x\xc4\x02\x01x",
    "an array that promises a lot": b"\x92\x01\xdd\xff\xff\xff\xff",
    "a map that promises a lot": b"\x92\x01\xdf\xff\xff\xff\xff",
    "a string that promises a lot": b"\x92\x01\xdb\xff\xff\xff\xff",
    "a map with a key that is a list": b"\x92\x01\x81\x90\x01",
    "a map with a key that is a float": b"\x92\x01\x81\xcb" + bytes(8) + b"\x01",
    "no UTF-8": b"\x92\x01\xa1\xff",
    "a field nested too deeply": b"\x92\x01" + b"\x91" * 16 + b"\x90",
    "a field nested much too deeply": b"\x92\x01" + b"\x91" * 60_000 + b"\x90",
    "a message and more": b"\x92\x01\xa1x\x92\x01\xa1x",
    "a message that is cut": b"\x92\x01\xa2x",
}


@pytest.mark.parametrize("codec", ["msgpack", "msgspec"])
@pytest.mark.parametrize("packet", MESSAGEPACK.values(), ids=MESSAGEPACK)
def test_something_wrong_in_messagepack(codec: str, packet: bytes) -> None:
    pytest.importorskip(codec)
    with World("memory", codec) as world:
        scene = Scene(world)
        connection = scene.enter()
        scene.bad.peer.send(packet)
        world.until(lambda: scene.bad.closed and scene.server.made[2].ended)
        assert connection.reason.code == PROTOCOL_ERROR
        assert scene.server.made[2].messages == []
        scene.nobody_noticed()


def test_the_good_messages_before_a_bad_one_are_delivered(scene: Scene) -> None:
    scene.enter()
    handler = scene.server.made[2]
    scene.bad.peer.send(b'[1,"good"]')
    scene.bad.peer.send(b'[[1,"also"],[1,"good"]]')
    scene.bad.peer.send(b"bad")
    scene.bad.peer.send(b'[1,"too late"]')
    scene.world.until(lambda: handler.ended)
    assert [message.text for message in handler.messages] == ["good", "also", "good"]
    scene.nobody_noticed()


def test_hello_and_something_bad_in_one_go(scene: Scene) -> None:
    scene.bad.peer.send(scene.hello())
    scene.bad.peer.send(b"\xc1\x63")
    scene.world.until(lambda: scene.bad.closed)
    scene.world.until(lambda: len(scene.server.connections()) == 2)
    scene.world.settle()
    for made in scene.server.made[2:]:
        assert made.calls in ([], ["on_connect", "on_disconnect"])
    scene.nobody_noticed()


def test_messages_right_after_hello_are_taken(scene: Scene) -> None:
    scene.bad.peer.send(scene.hello())
    scene.bad.peer.send(b'[1,"impatient"]')
    scene.world.until(lambda: len(scene.server.made) == 3 and scene.server.made[2].messages)
    assert [call if isinstance(call, str) else call.text for call in scene.server.made[2].calls] == [
        "on_connect",
        "impatient",
    ]


# -- a client meets a bad server


class BadServer:
    """An adapter that listens, and says what a test makes it say to the first who comes."""

    def __init__(self, world: World, *says: bytes) -> None:
        kind = network.adapter_class(network.get_adapter(world.network))
        self.adapter = kind((HOST, 0), limits=Limits(), **world.options)
        self.address = self.adapter.address
        self.says = says
        self.peer: Any = None  # whom it told
        world.add(self.adapter, self.poll)

    def poll(self) -> None:
        for kind, peer, _, _ in self.adapter.poll():
            if kind == PACKET and self.says:
                self.peer = peer
                says, self.says = self.says, ()
                for packet in says:
                    peer.send(packet)


BAD_SERVERS = {
    "an echo": HELLO,
    "half a REFUSE": packets.refuse(Reason(DisconnectReason.SERVER_FULL, "full"))[:-4],
    "REFUSE without its description": packets.refuse(Reason(DisconnectReason.SERVER_FULL, "full"))[:-2],
    "REFUSE and more": packets.refuse(Reason(DisconnectReason.SERVER_FULL, "full")) + b"x",
    "REFUSE with an unknown code": b"\xc1\x03\x63\x00\x00\x00\x00",
    "WELCOME and more": packets.welcome() + b"x",
    "only the mark": b"\xc1",
    "no such control packet": b"\xc1\x63",
}


@pytest.mark.parametrize("packet", BAD_SERVERS.values(), ids=BAD_SERVERS)
def test_a_bad_server_is_left(world: World, packet: bytes) -> None:
    bad = BadServer(world, packet)
    alice = world.connect(bad.address, message_factory=world.factory())
    world.until(lambda: alice.handler.ended)
    world.settle()
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason.code == PROTOCOL_ERROR


def test_a_server_that_talks_nonsense_after_welcome(world: World) -> None:
    bad = BadServer(world, packets.welcome(), b'[1,"good"]', b"nonsense")
    alice = world.connect(bad.address, message_factory=world.factory())
    world.until(lambda: alice.handler.ended)
    assert alice.handler.calls == ["on_connect", ("good",), "on_disconnect"]
    assert alice.reason.code == PROTOCOL_ERROR


FULL = Reason(DisconnectReason.SERVER_FULL, "full")
AWAY = {"REFUSE": packets.refuse(FULL), "BYE": packets.bye(FULL)}
BACK = {"REFUSE": packets.refuse(Reason(DisconnectReason.OVERLOADED, "again")), "WELCOME": packets.welcome()}


@pytest.mark.parametrize("then", BACK.values(), ids=BACK)
@pytest.mark.parametrize("first", AWAY.values(), ids=AWAY)
def test_a_client_that_was_sent_away_stays_away(world: World, first: bytes, then: bytes) -> None:
    bad = BadServer(world, first, then, b'[1,"come back"]')
    alice = world.connect(bad.address, client=world.client(limits=Limits(close_time=0.5)))
    world.until(lambda: alice.handler.ended)
    assert (alice.reason, alice.handler.calls) == (FULL, ["on_disconnect"])


def test_a_server_that_goes_on_refusing_keeps_nobody(memory_world: World) -> None:
    refusal = packets.refuse(FULL)
    bad = BadServer(memory_world, refusal)
    alice = memory_world.connect(bad.address, message_factory=memory_world.factory())
    memory_world.until(lambda: alice.reason)
    for _ in range(10):
        memory_world.clock.now += 1
        bad.peer.send(refusal)
        memory_world.pump()
    assert alice.handler.ended


def test_messages_without_welcome_are_nobodys(world: World) -> None:
    bad = BadServer(world, b'[1,"too early"]')
    alice = world.connect(bad.address, client=world.client(limits=Limits(connect_time=0.1)))
    world.until(lambda: alice.handler.ended)
    assert alice.handler.calls == ["on_disconnect"]


def test_what_a_server_says_is_fit_for_a_terminal(world: World) -> None:
    text = "\x1b]0;title\x07" + "x" * 1000
    bad = BadServer(world, packets.refuse(Reason(DisconnectReason.SERVER_FULL, text)))
    alice = world.connect(bad.address, client=world.client(limits=Limits(close_time=0.2)))
    world.until(lambda: alice.handler.ended)
    assert alice.reason.code == DisconnectReason.SERVER_FULL
    assert alice.reason.text.isprintable() and len(alice.reason.text) < 500


# -- bytes that are no packets, on TCP


@pytest.fixture
def tcp() -> Iterator[Scene]:
    with World("socket") as world:
        yield Scene(world)


def shout(scene: Scene, data: bytes) -> socket.socket:
    """Send bytes over a plain socket."""
    sock = socket.create_connection(scene.server.address)
    sock.setblocking(False)
    sock.sendall(data)
    return sock


def is_closed(sock: socket.socket) -> bool:
    try:
        return not sock.recv(65536)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


FRAMES = {
    "a length over the limit": (65_537).to_bytes(4, "big"),
    "the largest length": b"\xff\xff\xff\xff",
    "a length of nothing": bytes(4),
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100f8010000f40303"),
}


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
def test_a_bad_frame_closes_a_stranger(tcp: Scene, data: bytes) -> None:
    with shout(tcp, data) as sock:
        tcp.world.until(lambda: is_closed(sock))
    assert len(tcp.server.made) == 2
    tcp.nobody_noticed()


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
def test_a_bad_frame_closes_a_player(tcp: Scene, data: bytes) -> None:
    hello = tcp.hello()
    good = b'[1,"good"]'
    frames = b"".join(len(packet).to_bytes(4, "big") + packet for packet in (hello, good))
    with shout(tcp, frames) as sock:
        tcp.world.until(lambda: len(tcp.server.made) == 3 and tcp.server.made[2].messages)
        connection = tcp.server.connections()[2]
        sock.sendall(data)
        tcp.world.until(lambda: is_closed(sock) and tcp.server.made[2].ended)
    assert connection.reason.code == PROTOCOL_ERROR
    assert tcp.server.made[2].calls == ["on_connect", ("good",), "on_disconnect"]
    tcp.nobody_noticed()


def test_a_frame_that_comes_byte_by_byte(tcp: Scene) -> None:
    hello = tcp.hello()
    with shout(tcp, b"") as sock:
        for byte in len(hello).to_bytes(4, "big") + hello:
            sock.sendall(bytes((byte,)))
            tcp.world.pump()
        tcp.world.until(lambda: len(tcp.server.connections()) == 3)


def test_a_player_that_vanishes_in_the_middle_of_a_frame(tcp: Scene) -> None:
    hello = tcp.hello()
    with shout(tcp, len(hello).to_bytes(4, "big") + hello) as sock:
        tcp.world.until(lambda: len(tcp.server.made) == 3)
        connection = tcp.server.connections()[2]
        sock.sendall(b"\x00\x00\x00\x0a[1,")
    tcp.world.until(lambda: tcp.server.made[2].ended)
    assert connection.reason.code == DisconnectReason.LOST
    tcp.nobody_noticed()


def test_datagrams_of_a_stranger_do_no_harm() -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        scene = Scene(world)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for size in (0, 1, 3, 4, 8, 27, 28, 100, 1400, 5000, 60_000):
                for byte in (0x00, 0x0F, 0x80, 0xFF):
                    sock.sendto(bytes([byte]) * size, scene.server.address)
                    world.pump()
        scene.nobody_noticed()
