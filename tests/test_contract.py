"""What every network adapter must do (pygnetic/network/base.py), and the same program on all of them.

Writing an adapter? Add its name to NETWORKS in conftest.py, and make this file pass.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from abuse import best_of
from relays import pump_until
from world import HOST, World, eager

import pygnetic as net
from pygnetic import network
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network.base import CLOSED, OPENED, PACKET

LOST, UNREACHABLE = DisconnectReason.LOST, DisconnectReason.UNREACHABLE


class Ends:
    """Adapters of one kind, and what each of their peers was reported to do, in order."""

    def __init__(self, name: str) -> None:
        self.kind = network.adapter_class(network.get_adapter(name))
        self.adapters: list[Any] = []
        self.events: list[tuple[Any, int, Any, bytes, Any]] = []

    def make(self, address: tuple[str, int] | None = None, conn_limit: int = 4, **limits: Any) -> Any:
        adapter = self.kind(address, conn_limit, limits=Limits(**limits))
        self.adapters.append(adapter)
        return adapter

    def listen(self, port: int = 0, **limits: Any) -> Any:
        return self.make((HOST, port), **limits)

    def poll(self) -> None:
        for adapter in self.adapters:
            self.events += [(adapter, *event) for event in adapter.poll()]

    def until(self, condition: Any, timeout: float = 10) -> Any:
        return pump_until(condition, eager(self.poll), timeout=timeout)

    def settle(self, seconds: float = 0.03) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def of(self, peer: Any) -> list[tuple[int, bytes, Any]]:
        """Return what was reported of a peer: (kind, packet, info)."""
        return [(kind, packet, info) for _, kind, other, packet, info in self.events if other is peer]

    def packets(self, peer: Any) -> list[bytes]:
        return [packet for kind, packet, _ in self.of(peer) if kind == PACKET]

    def closed(self, peer: Any) -> list[Any]:
        return [info for kind, _, info in self.of(peer) if kind == CLOSED]

    def link(self, server: Any, client: Any) -> tuple[Any, Any]:
        """Connect; return the peer that the client has and the one that the server has."""
        before = {id(peer) for peer in self.opened(server)}
        here = client.connect(*server.address)
        self.until(lambda: self.of(here) and len(self.opened(server)) > len(before))
        return here, next(peer for peer in self.opened(server) if id(peer) not in before)

    def opened(self, adapter: Any) -> list[Any]:
        return [peer for owner, kind, peer, _, _ in self.events if owner is adapter and kind == OPENED]

    def pair(self, **limits: Any) -> tuple[Any, Any]:
        return self.link(self.listen(**limits), self.make(**limits))


@pytest.fixture
def ends(network_name: str) -> Iterator[Ends]:
    new = Ends(network_name)
    yield new
    for adapter in new.adapters:
        adapter.close()


@pytest.fixture
def free_port(ends: Ends) -> int:
    """Return a port that nobody listens on: one that was free a moment ago."""
    adapter = ends.listen()
    port: int = adapter.address[1]
    adapter.close()
    ends.adapters.remove(adapter)
    return port


# -- opening


def test_each_side_reports_opened_once_and_can_send_then(ends: Ends) -> None:
    server, client = ends.listen(), ends.make()
    assert server.address[0] == HOST and server.address[1] > 0
    assert client.address is None
    here = client.connect(*server.address)
    assert here.send(b"too early") is False
    ends.until(lambda: ends.of(here) and ends.opened(server))
    (there,) = ends.opened(server)
    assert ends.of(here) == ends.of(there) == [(OPENED, b"", None)]
    assert here.address == server.address
    assert there.address[0] == HOST
    assert here.send(b"ping") is True
    assert there.send(b"pong") is True
    ends.until(lambda: ends.packets(there) == [b"ping"] and ends.packets(here) == [b"pong"])
    ends.settle()
    assert len(ends.of(here)) == len(ends.of(there)) == 2


def test_one_server_keeps_its_peers_apart(ends: Ends) -> None:
    server = ends.listen()
    pairs = [ends.link(server, ends.make()) for _ in range(3)]
    pairs += [ends.link(server, pairs_client) for pairs_client in [ends.make()] * 2]  # two peers of one adapter
    for number, (here, _) in enumerate(pairs):
        here.send(b"from %d" % number)
    ends.until(lambda: all(ends.packets(there) for _, there in pairs))
    assert [ends.packets(there) for _, there in pairs] == [[b"from %d" % number] for number in range(5)]
    pairs[1][0].disconnect()
    ends.until(lambda: ends.closed(pairs[1][1]))
    ends.settle()
    assert [len(ends.closed(there)) for _, there in pairs] == [0, 1, 0, 0, 0]


# -- packets


def test_packets_arrive_whole_and_in_order_both_ways(ends: Ends) -> None:
    here, there = ends.pair()
    sizes = [1, 2, 3, 1199, 1200, 1201, 1400, 4096, 65535, 65536, 1, 30_000, 7]
    packets = [bytes([number]) * size for number, size in enumerate(sizes)]
    for packet in packets:
        assert here.send(packet)
        assert there.send(packet[::-1])
    ends.until(lambda: len(ends.packets(there)) == len(ends.packets(here)) == len(packets))
    assert ends.packets(there) == ends.packets(here) == packets


def test_any_byte_may_be_in_a_packet(ends: Ends) -> None:
    here, there = ends.pair()
    assert here.send(bytes(range(256)))
    ends.until(lambda: ends.packets(there))
    assert ends.packets(there) == [bytes(range(256))]


@pytest.mark.parametrize("channel", [0, 1, 31])
@pytest.mark.parametrize(("reliable", "ordered"), [(True, True), (False, True), (False, False)])
def test_every_delivery_arrives_and_tells_its_channel(ends: Ends, channel: int, reliable: bool, ordered: bool) -> None:
    here, there = ends.pair()
    here.send(b"move", channel=channel, reliable=reliable, ordered=ordered)
    ends.until(lambda: ends.packets(there))
    ((_, packet, info),) = ends.of(there)[1:]
    assert packet == b"move"
    assert info["channel"] in (channel, 0)  # a stream has no channels


def test_channels_that_are_not_zero_keep_their_own_order(ends: Ends) -> None:
    here, there = ends.pair()
    for number in range(60):
        assert here.send(bytes([number]), channel=number % 3)
    ends.until(lambda: len(ends.packets(there)) == 60)
    for channel in range(3):
        assert [p[0] for p in ends.packets(there) if p[0] % 3 == channel] == list(range(channel, 60, 3))


# -- closing


@pytest.mark.parametrize("how", ["disconnect", "abort"])
@pytest.mark.parametrize("closer", [0, 1], ids=["client", "server"])
def test_both_sides_report_closed_once_whoever_closes(ends: Ends, closer: int, how: str) -> None:
    pair = ends.pair()
    getattr(pair[closer], how)()
    ends.until(lambda: ends.closed(pair[0]) and ends.closed(pair[1]))
    for peer in pair:
        assert peer.send(b"too late") is False
        peer.disconnect()
        peer.abort()
        peer.disconnect()
    ends.settle()
    assert ends.closed(pair[0]) == ends.closed(pair[1]) == [LOST]
    assert [kind for kind, _, _ in ends.of(pair[0])] == [kind for kind, _, _ in ends.of(pair[1])] == [OPENED, CLOSED]


@pytest.mark.parametrize("closer", [0, 1], ids=["client", "server"])
def test_a_disconnecting_peer_takes_nothing_more(ends: Ends, closer: int) -> None:
    pair = ends.pair()
    pair[closer].disconnect()
    assert pair[closer].send(b"after") is False
    pair[closer].disconnect()
    ends.until(lambda: ends.closed(pair[0]) and ends.closed(pair[1]))
    assert ends.packets(pair[0]) == ends.packets(pair[1]) == []
    assert ends.closed(pair[0]) == ends.closed(pair[1]) == [LOST]


def test_closed_is_the_last_word_though_the_other_end_still_sends(ends: Ends) -> None:
    here, there = ends.pair()
    there.disconnect()
    here.send(b"crossing")
    ends.until(lambda: ends.closed(here) and ends.closed(there))
    ends.settle()
    assert ends.of(there)[-1] == (CLOSED, b"", LOST)
    assert ends.of(here)[-1] == (CLOSED, b"", LOST)


def test_disconnect_then_abort_is_one_closed(ends: Ends) -> None:
    here, there = ends.pair()
    here.disconnect()
    here.abort()
    here.abort()
    ends.until(lambda: ends.closed(here) and ends.closed(there), timeout=3)  # the other end is told, and does not guess
    ends.settle()
    assert ends.closed(here) == ends.closed(there) == [LOST]


def test_disconnect_delivers_what_was_sent_before(ends: Ends) -> None:
    here, there = ends.pair()
    packets = [bytes([number]) * 9_000 for number in range(100)]
    assert all(here.send(packet) for packet in packets)
    here.disconnect()
    ends.until(lambda: ends.closed(here) and ends.closed(there))
    assert ends.packets(there) == packets
    assert ends.of(there)[-1] == (CLOSED, b"", LOST)


def test_disconnect_on_both_sides_is_one_closed_each(ends: Ends) -> None:
    here, there = ends.pair()
    here.send(b"bye")
    here.disconnect()
    there.disconnect()
    ends.settle()
    here.abort()  # what the endpoint does when close_time is over; ENet alone would take five seconds
    there.abort()
    ends.until(lambda: ends.closed(here) and ends.closed(there))
    ends.settle()
    assert ends.closed(here) == ends.closed(there) == [LOST]


@pytest.mark.parametrize("how", ["disconnect", "abort"])
def test_a_peer_that_never_opened_is_closed_once_all_the_same(ends: Ends, free_port: int, how: str) -> None:
    here = ends.make().connect(HOST, free_port)
    assert here.send(b"hello") is False
    getattr(here, how)()
    here.abort()
    here.disconnect()
    ends.until(lambda: ends.closed(here))
    ends.settle()
    assert ends.of(here) == [(CLOSED, b"", UNREACHABLE)]
    assert here.send(b"hello") is False


@pytest.mark.parametrize("how", ["disconnect", "abort"])
def test_closing_before_opened_was_polled_leaves_no_half_open_peer(ends: Ends, how: str) -> None:
    server, client = ends.listen(), ends.make()
    here = client.connect(*server.address)
    getattr(here, how)()
    ends.until(lambda: ends.closed(here))
    ends.settle(0.1)
    assert ends.of(here) == [(CLOSED, b"", UNREACHABLE)]
    for there in ends.opened(server):
        assert ends.closed(there) == [LOST]


def test_a_peer_that_was_closed_leaves_room_for_the_next(ends: Ends) -> None:
    server = ends.make((HOST, 0), 1)
    client = ends.make(None, 1)
    for number in range(100):  # more than the spare slots of any adapter
        here, there = ends.link(server, client)
        here.send(b"%d" % number)
        here.disconnect()
        ends.until(lambda: ends.closed(here) and ends.closed(there))  # noqa: B023 (called now)
        assert ends.packets(there) == [b"%d" % number]
        assert len(ends.closed(here)) == len(ends.closed(there)) == 1
    assert len([1 for _, kind, *_ in ends.events if kind == CLOSED]) == 200


@pytest.mark.parametrize("closer", ["client", "server"])
def test_a_closed_adapter_is_silent_and_the_other_end_is_told(ends: Ends, closer: str) -> None:
    server, client = ends.listen(), ends.make()
    here, there = ends.link(server, client)
    mine, other, adapter = (here, there, client) if closer == "client" else (there, here, server)
    other.send(b"not read any more")
    adapter.close()
    adapter.close()
    assert adapter.poll() == []
    assert adapter.poll(0) == []
    adapter.flush()
    assert mine.send(b"too late") is False
    mine.disconnect()
    mine.abort()
    with pytest.raises(OSError):
        adapter.connect(HOST, 9)
    ends.until(lambda: ends.closed(other))
    ends.settle()
    assert adapter.poll() == []
    assert ends.closed(other) == [LOST]
    assert ends.closed(mine) == []


def test_close_sends_what_was_queued(ends: Ends) -> None:
    server, client = ends.listen(), ends.make()
    here, there = ends.link(server, client)
    assert here.send(b"last") and here.send(b"words")
    client.close()
    ends.until(lambda: len(ends.packets(there)) == 2)
    assert ends.packets(there) == [b"last", b"words"]


def test_close_frees_the_port_at_once(ends: Ends) -> None:
    first = ends.listen()
    port = first.address[1]
    here, _ = ends.link(first, ends.make())
    first.close()
    second = ends.listen(port)
    assert second.address == (HOST, port)
    here.abort()
    ends.link(second, ends.make())


# -- poll


def test_poll_waits_no_longer_than_it_may(ends: Ends) -> None:
    server = ends.listen()

    def took(*waits: tuple[int, ...]) -> float:
        began = time.monotonic()
        for wait in waits:
            assert server.poll(*wait) == []
        return time.monotonic() - began

    assert best_of(lambda: took((), (-5,), (0,)), lambda seconds: seconds < 0.5) < 0.5
    assert best_of(lambda: took((30,)), lambda seconds: seconds < 1) < 1


def test_poll_waits_for_the_first_event_only(wire_name: str) -> None:
    ends = Ends(wire_name)
    here, _ = ends.pair()
    server = ends.adapters[0]
    began = time.monotonic()
    assert server.poll(40) == []
    assert time.monotonic() - began >= 0.035
    here.send(b"wake up")
    ends.adapters[1].flush()
    began = time.monotonic()
    assert [event[2] for event in server.poll(20_000)] == [b"wake up"]
    assert time.monotonic() - began < 5
    for adapter in ends.adapters:
        adapter.close()


def test_poll_gives_what_is_there_already_though_it_may_wait(ends: Ends) -> None:
    here, there = ends.pair()
    for number in range(10):
        here.send(b"%d" % number)
    ends.adapters[1].flush()
    began = time.monotonic()
    ends.until(lambda: [ends.events.append((ends.adapters[0], *e)) for e in ends.adapters[0].poll(20_000)])
    assert time.monotonic() - began < 10
    ends.until(lambda: len(ends.packets(there)) == 10)
    assert ends.packets(there) == [b"%d" % number for number in range(10)]


def test_flush_sends_without_reading(ends: Ends) -> None:
    here, there = ends.pair()
    there.send(b"for later")
    here.send(b"now")
    ends.adapters[1].flush()
    server = ends.adapters[0]
    pump_until(lambda: any(event[2] == b"now" for event in server.poll()))
    ends.until(lambda: ends.packets(here) == [b"for later"])


# -- accounting


def test_unsent_goes_back_to_nothing(ends: Ends) -> None:
    here, there = ends.pair()
    assert here.unsent == 0
    for size in (100, 5_000, 65_536, 1):
        assert here.send(bytes(size))
        assert here.unsent >= size
    ends.until(lambda: len(ends.packets(there)) == 4)
    ends.until(lambda: here.unsent == 0)
    assert there.unsent == 0


def test_send_refuses_what_is_over_the_unsent_limit_and_nothing_accepted_is_lost(ends: Ends) -> None:
    here, there = ends.pair(unsent=100_000)
    accepted = 0
    while here.send(accepted.to_bytes(4, "big") * 250):
        accepted += 1
        assert accepted <= 100
        assert here.unsent <= 100_000
    assert accepted >= 100_000 // (1000 + base.most_cost(100_000))
    assert here.unsent + 1000 + base.most_cost(100_000) > 100_000
    ends.until(lambda: len(ends.packets(there)) >= accepted and here.unsent == 0)
    assert ends.packets(there)[:accepted] == [n.to_bytes(4, "big") * 250 for n in range(accepted)]
    assert here.send(bytes(1000)) is True


def test_an_urgent_packet_has_some_room_over_the_unsent_limit(ends: Ends) -> None:
    here, there = ends.pair(unsent=2000)
    while here.send(b"full"):
        pass
    bye = b"\xc1\x06" + bytes(1028)  # the longest there is
    assert here.send(bye) is False, "an adapter looks into no packet"
    assert here.send(bye, urgent=True) is True
    assert here.send(bye, urgent=True) is here.send(b"full") is False
    ends.until(lambda: ends.packets(there)[-1:] == [bye])


def test_breaking_off_is_urgent(ends: Ends) -> None:
    here, there = ends.pair(unsent=2000)
    while here.send(b"full"):
        pass
    here.break_off(b"goodbye")
    ends.until(lambda: ends.closed(there))
    assert b"goodbye" in ends.packets(there)


# -- misuse


def test_an_unknown_option_is_a_type_error(ends: Ends) -> None:
    with pytest.raises(TypeError, match="compresion"):
        ends.kind((HOST, 0), limits=Limits(), compresion=9)
    server, client = ends.listen(), ends.make()
    with pytest.raises(TypeError, match="compresion"):
        client.connect(*server.address, compresion=9)


def test_a_port_in_use_is_named(ends: Ends) -> None:
    host, port = ends.listen().address
    with pytest.raises(OSError, match=rf"{host}:{port}.*uses it"):
        ends.listen(port)


def test_a_closed_adapter_still_knows_where_it_was(ends: Ends) -> None:
    server = ends.listen()
    address = server.address
    server.close()
    server.close()
    assert server.address == address and address[1] > 0


@pytest.mark.parametrize("port", [0, -1, 65536, 70000, 80.5, True, "80", None])
def test_what_is_no_port_to_connect_to(ends: Ends, port: Any) -> None:
    with pytest.raises(OSError, match=rf"{port!r} is not a port.*{HOST}"):
        ends.make().connect(HOST, port)


@pytest.mark.parametrize("port", [-1, 65536, 70000, 80.5, True, "80", None])
def test_what_is_no_port_to_listen_on(ends: Ends, port: Any) -> None:
    with pytest.raises(OSError, match=rf"{port!r} is not a port.*{HOST}"):
        ends.listen(port)


def test_a_connection_that_begins_while_another_one_ends_is_not_taken_for_it(ends: Ends) -> None:
    server, client = ends.listen(), ends.make(conn_limit=2)
    here, there = ends.link(server, client)
    second = client.connect(*server.address)
    for _ in range(3):  # the server answers, and then drops the first: the client reads both at once
        ends.events += [(server, *event) for event in server.poll(5)]
    there.abort()
    ends.until(lambda: ends.closed(here) and ends.of(second) and len(ends.opened(server)) == 2)
    assert ends.closed(here) == [DisconnectReason.LOST]
    assert [kind for kind, _, _ in ends.of(second)] == [OPENED]
    assert not here.send(b"from the first")
    assert second.send(b"from the second")
    ends.until(lambda: ends.packets(ends.opened(server)[1]))
    assert ends.packets(ends.opened(server)[1]) == [b"from the second"]
    assert ends.closed(second) == []


@pytest.mark.parametrize("host", ["", None, 17, b"127.0.0.1"])
def test_what_is_no_host(ends: Ends, host: Any) -> None:
    with pytest.raises(OSError, match="is not a host"):
        ends.make().connect(host, 9)


@pytest.mark.parametrize("host", [None, 17, b"127.0.0.1"])
def test_what_is_no_host_to_listen_on(ends: Ends, host: Any) -> None:
    with pytest.raises(OSError, match="is not a host"):
        ends.make((host, 0))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots", "x" * 300, "300.1.1.1"])
def test_a_host_that_does_not_resolve_is_named(wire_name: str, host: str) -> None:
    ends = Ends(wire_name)
    client = ends.make(resolve_time=1.0)
    with pytest.raises(OSError, match=host):
        client.connect(host, 9)
    assert client.poll() == []
    client.close()


def test_resolving_is_awaited_for_a_limited_time(wire_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: released.wait(30) and [])
    client = Ends(wire_name).make(resolve_time=0.1)
    began = time.monotonic()
    with pytest.raises(OSError, match=r"'slow\.example' was not resolved within 0\.1 s"):
        client.connect("slow.example", 9)
    assert time.monotonic() - began < 5
    released.set()
    client.close()


def test_an_address_of_another_machine_cannot_be_listened_on(wire_name: str) -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1:0"):  # TEST-NET-1, RFC 5737
        Ends(wire_name).make(("192.0.2.1", 0))


# -- the same program everywhere


class Echo(net.Handler):
    def net_echo(self, message: Any) -> None:
        self.connection.net_echo(message.text)


class Answers(net.Handler):
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def on_connect(self) -> None:
        self.connection.net_echo("hello")

    def net_echo(self, message: Any) -> None:
        self.answers.append(message.text)


def test_the_same_echo_program_on_every_adapter_and_serializer(network_name: str, codec_name: str) -> None:
    assert net.init(logging_lvl=None, n_module=network_name, s_module=codec_name)
    net.register("echo", ("text",))
    with net.Server(HOST, handler=Echo) as server, net.Client() as client:
        connection = client.connect(*server.address)
        answers = Answers()
        connection.add_handler(answers)
        values = ["Grüße, 世界 🎮", "", 0, -1, 2**40, 1.5, True, None, [1, [2, "three"]], {"x": 1, "y": [None]}]
        for value in values:
            connection.net_echo(value)
        pump_until(lambda: len(answers.answers) == 1 + len(values), client.update, server.update)
        assert answers.answers == [*values, "hello"]
        assert connection.messages_sent == connection.messages_received == 11
        (there,) = server.connections()
        assert (there.data_sent, there.data_received) == (connection.data_received, connection.data_sent)


@pytest.mark.parametrize("length", [1, 1200, 20_000, 65_000])
def test_messages_of_every_size(network_name: str, codec_name: str, length: int) -> None:
    with World(network_name, codec_name) as world:
        server = world.server()
        alice = world.join(server)
        text = "x" * length
        assert alice.net_echo(text)
        assert alice.there.net_echo(text[::-1])
        world.until(lambda: server.made[0].messages and alice.handler.messages)
        assert server.made[0].messages[0].text == alice.handler.messages[0].text == text


def test_two_clients_and_a_broadcast(network_name: str, codec_name: str) -> None:
    with World(network_name, codec_name) as world:
        server = world.server()
        alice, bob = world.join(server), world.join(server)
        assert server.broadcast("echo", "to all") == 2
        assert server.broadcast("echo", text="to Bob", exclude=[alice.there]) == 1
        world.until(lambda: len(bob.handler.messages) == 2 and alice.handler.messages)
        world.settle()
        assert [m.text for m in alice.handler.messages] == ["to all"]
        assert [m.text for m in bob.handler.messages] == ["to all", "to Bob"]


def test_localhost_reaches_a_server_on_ipv4_where_it_means_ipv6_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = world.server()
    real = socket.getaddrinfo

    def ask(host: str, port: int, family: int = 0, *rest: int) -> list[Any]:
        assert host == "localhost"
        families = {"::1": socket.AF_INET6, HOST: socket.AF_INET}
        numbers = [number for number, its in families.items() if family in (0, its)]
        return [answer for number in numbers for answer in real(number, port, family, *rest)]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    connection = world.connect(("localhost", server.address[1]), message_factory=server.message_factory)
    world.until(lambda: connection.connected)


def test_a_server_on_localhost_is_on_ipv4_and_says_so(wire_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(host: str, port: int, family: int = 0, *rest: int) -> list[Any]:
        assert host == "localhost"
        both = {socket.AF_INET6: ("::1", port, 0, 0), socket.AF_INET: (HOST, port)}
        return [(its, 1, 6, "", address) for its, address in both.items() if family in (0, its)]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with World(wire_name) as world:
        with net.Server("localhost", n_adapter=wire_name, message_factory=world.factory()) as server:
            assert server.address[0] == HOST


def test_a_server_on_ipv6_only() -> None:
    with World("socket") as world:
        try:
            server = net.Server("::1", n_adapter="socket", message_factory=world.factory())
        except OSError:
            pytest.skip("no IPv6 here")
        world.add(server, server.update)
        connection = world.connect(server)
        world.until(lambda: connection.connected)
        assert connection.address[0] == "::1"


def test_a_server_on_all_addresses(world: World) -> None:
    factory = world.factory()
    server = net.Server("", n_adapter=world.network, message_factory=factory)
    world.add(server, server.update)
    connection = world.connect((HOST, server.address[1]), message_factory=factory)
    world.until(lambda: connection.connected and server.connections())
    assert server.connections()[0].address[0] == HOST


def test_an_adapter_class_of_ones_own(ends: Ends) -> None:
    class Mine(ends.kind):  # type: ignore[name-defined, misc]
        pass

    with World(Mine) as world:
        assert world.join(world.server()).connected
