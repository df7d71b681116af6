"""The relays of tests/relays.py do to plain sockets what their knobs say, and the same again for the same seed."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from programs import free_port
from relays import BUFFER, HELD_BACK, HOST, MAX_CLIENTS, RST_ON_CLOSE, TcpRelay, UdpRelay, lose_once, pump_until


class Clock:
    """A clock that only moves when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def udp_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with udp_socket() as sock:
        yield sock


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with udp_socket() as sock:
        yield sock


def received(sock: socket.socket) -> list[bytes]:
    """Return what waits in a UDP socket. Loopback delivers inside sendto(), so there is nothing to wait for."""
    got = []
    while select.select([sock], [], [], 0)[0]:
        got.append(sock.recv(65536))
    return got


def through(relay: UdpRelay, client: socket.socket, server: socket.socket, count: int, clock: Clock) -> list[int]:
    """Send 0, 1, 2, ... to the server, 1 ms apart by the clock, and return what arrived, in order of arrival."""
    got = []
    for number in range(count):
        client.sendto(struct.pack("!I", number), relay.address)
        relay.pump()
        got += received(server)
        clock.now += 0.001
    clock.now += 10
    relay.pump()
    return [struct.unpack("!I", datagram)[0] for datagram in got + received(server)]


def test_udp_passes_everything_both_ways(server: socket.socket, client: socket.socket) -> None:
    with UdpRelay(("", server.getsockname()[1])) as relay:  # a server bound to '' calls itself that or 0.0.0.0
        for datagram in (b"", b"ping", bytes(1400), bytes(60_000)):
            client.sendto(datagram, relay.address)
            relay.pump()
            got, address = server.recvfrom(65536)
            assert got == datagram
            assert address != client.getsockname()
            server.sendto(datagram[::-1], address)
            relay.pump()
            assert client.recvfrom(65536) == (datagram[::-1], relay.address)
        assert (relay.forwarded, relay.dropped, relay.duplicated) == (8, 0, 0)
        assert relay.to_server.bytes == relay.to_client.bytes == 61_404


def test_udp_each_client_has_its_own_address_and_its_own_answers(server: socket.socket) -> None:
    with UdpRelay(server.getsockname()) as relay, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(udp_socket()) for _ in range(5)]
        for number, sock in enumerate(clients):
            sock.sendto(bytes([number]), relay.address)
        relay.pump()
        senders = [server.recvfrom(100) for _ in clients]
        assert len({address for _, address in senders}) == 5
        for datagram, address in senders:
            server.sendto(b"you are %d" % datagram[0], address)
        relay.pump()
        assert [received(sock) for sock in clients] == [[b"you are %d" % number] for number in range(5)]


def test_udp_a_stranger_cannot_speak_for_the_server(server: socket.socket, client: socket.socket) -> None:
    with UdpRelay(server.getsockname()) as relay, udp_socket() as stranger:
        client.sendto(b"hello", relay.address)
        relay.pump()
        _, address = server.recvfrom(100)
        stranger.sendto(b"forged", address)
        server.sendto(b"real", address)
        relay.pump()
        assert received(client) == [b"real"]


def test_udp_loss_has_the_rate_asked_for_and_is_repeatable(server: socket.socket, client: socket.socket) -> None:
    def lost(loss: float, seed: int) -> set[int]:
        clock = Clock()
        with UdpRelay(server.getsockname(), loss=loss, seed=seed, clock=clock) as relay:
            got = through(relay, client, server, 2000, clock)
            assert relay.forwarded == len(got) == 2000 - relay.dropped
            assert got == sorted(got)
            return set(range(2000)) - set(got)

    first = lost(0.2, seed=1)
    assert 330 <= len(first) <= 470  # 400 +- 4 sigma, and always the same number for this seed
    assert lost(0.2, seed=1) == first
    assert lost(0.2, seed=2) != first
    assert lost(0.05, seed=1) < first  # turning a knob keeps the other fates
    assert lost(0.0, seed=1) == set()
    assert len(lost(1.0, seed=1)) == 2000


def test_udp_fates_do_not_depend_on_the_other_direction(server: socket.socket, client: socket.socket) -> None:
    def run(answers: int) -> list[int]:
        got = []
        with UdpRelay(server.getsockname(), loss=0.5, seed=3) as relay:
            for number in range(100):
                client.sendto(bytes([number]), relay.address)
                relay.pump()
                while select.select([server], [], [], 0)[0]:
                    datagram, address = server.recvfrom(100)
                    got.append(datagram[0])
                    for _ in range(answers):
                        server.sendto(b"answer", address)
        return got

    assert run(answers=0) == run(answers=3)


def test_udp_duplicates(server: socket.socket, client: socket.socket) -> None:
    clock = Clock()
    with UdpRelay(server.getsockname(), duplicate=0.25, clock=clock) as relay:
        got = through(relay, client, server, 400, clock)
        assert set(got) == set(range(400))
        assert len(got) == 400 + relay.duplicated == relay.forwarded
        assert 65 <= relay.to_server.duplicated <= 135
        assert relay.to_client.duplicated == 0


def test_udp_reorders_and_loses_nothing(server: socket.socket, client: socket.socket) -> None:
    clock = Clock()
    with UdpRelay(server.getsockname(), reorder=0.1, clock=clock) as relay:
        got = through(relay, client, server, 400, clock)
        assert sorted(got) == list(range(400))
        late = [number for place, number in enumerate(got) if any(after < number for after in got[place:])]
        overtaken = [number for place, number in enumerate(got) if any(before > number for before in got[:place])]
        assert late and 15 <= len(overtaken) <= 65
    with UdpRelay(server.getsockname(), reorder=1.0, clock=clock) as relay:  # all are held back: no more, no less
        client.sendto(b"late", relay.address)
        relay.pump()
        clock.now += HELD_BACK - 0.001
        relay.pump()
        assert received(server) == []
        clock.now += 0.002
        relay.pump()
        assert received(server) == [b"late"]


def test_udp_delay_and_jitter_by_the_clock(server: socket.socket, client: socket.socket) -> None:
    clock = Clock()
    with UdpRelay(server.getsockname(), delay=0.05, jitter=0.02, clock=clock) as relay:
        for number in range(50):
            client.sendto(bytes([number]), relay.address)
        relay.pump()
        arrivals: dict[int, int] = {}
        for ms in range(1, 80):
            clock.now += 0.001
            relay.pump()
            arrivals |= {datagram[0]: ms for datagram in received(server)}
        assert sorted(arrivals) == list(range(50))
        assert min(arrivals.values()) in range(30, 40)
        assert max(arrivals.values()) in range(60, 72)
        assert list(arrivals) != sorted(arrivals)  # jitter reorders


def test_udp_drop_chooses_and_sees_everything(server: socket.socket, client: socket.socket) -> None:
    seen = []

    def drop(datagram: bytes, to_server: bool) -> bool:
        seen.append((datagram, to_server))
        return datagram.startswith(b"bad") and not to_server

    with UdpRelay(server.getsockname(), drop=drop) as relay:
        client.sendto(b"bad to server", relay.address)
        relay.pump()
        datagram, address = server.recvfrom(100)
        assert datagram == b"bad to server"
        for answer in (b"bad", b"good"):
            server.sendto(answer, address)
        relay.pump()
        assert received(client) == [b"good"]
        assert (relay.to_server.dropped, relay.to_client.dropped) == (0, 1)
    assert seen == [(b"bad to server", True), (b"bad", False), (b"good", False)]


def test_udp_lose_once_loses_the_first_and_lets_the_resend_pass(server: socket.socket, client: socket.socket) -> None:
    with UdpRelay(server.getsockname(), drop=lose_once(b"\xc1\x02", to_server=True)) as relay:
        for datagram in (b"before", b"..\xc1\x02..1", b"between", b"..\xc1\x02..2", b"\xc1\x02"):
            client.sendto(datagram, relay.address)
        relay.pump()
        assert received(server) == [b"before", b"between", b"..\xc1\x02..2", b"\xc1\x02"]
        assert relay.dropped == 1


def test_udp_survives_a_server_that_is_not_there(client: socket.socket) -> None:
    target = (HOST, free_port())
    with UdpRelay(target) as relay:
        for _ in range(5):
            client.sendto(b"anybody?", relay.address)
            relay.pump()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
            late.bind(target)
            client.sendto(b"now?", relay.address)
            pump_until(lambda: select.select([late], [], [], 0)[0], relay.pump)
            assert late.recv(100) == b"now?"


def test_udp_keeps_at_most_so_many_clients(server: socket.socket) -> None:
    with UdpRelay(server.getsockname()) as relay, udp_socket() as first:
        for _ in range(MAX_CLIENTS + 10):
            with udp_socket() as sock:
                sock.sendto(b"x", relay.address)
                first.sendto(b"first", relay.address)
                relay.pump()
        got = []
        while select.select([server], [], [], 0)[0]:
            got.append(server.recvfrom(100))
        assert len(relay._flows) == MAX_CLIENTS
        assert len({address for datagram, address in got if datagram == b"first"}) == 1  # active ones stay


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as sock:
        sock.settimeout(10)
        yield sock


@contextlib.contextmanager
def connected(relay: TcpRelay, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a client's and the server's end of one connection through the relay, both nonblocking."""
    with socket.create_connection(relay.address, timeout=10) as client:
        pump_until(lambda: select.select([listener], [], [], 0)[0], relay.pump)
        with listener.accept()[0] as server:
            client.setblocking(False)
            server.setblocking(False)
            yield client, server


def read(sock: socket.socket) -> bytes | None:
    """Return the bytes that are there now, b'' at the end of the stream, None when nothing waits."""
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return None


def read_all(sock: socket.socket, *pumps: Callable[[], Any], size: int | None = None) -> bytes:
    """Read until the end of the stream, or `size` bytes."""
    got = bytearray()

    def all_there() -> bool:
        data = read(sock)
        got.extend(data or b"")
        return data == b"" or (size is not None and len(got) >= size)

    pump_until(all_there, *pumps)
    return bytes(got)


def was_reset(sock: socket.socket) -> bool:
    try:
        sock.recv(1 << 20)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return False


def test_tcp_passes_everything_both_ways(listener: socket.socket) -> None:
    data = random.Random(1).randbytes(300_000)
    with TcpRelay(("", listener.getsockname()[1])) as relay, connected(relay, listener) as (client, server):
        for source, sink in ((client, server), (server, client)):
            left = memoryview(data)
            got = bytearray()
            while len(got) < len(data):
                with contextlib.suppress(BlockingIOError):
                    left = left[source.send(left) :] if left else left
                relay.pump()
                got += read(sink) or b""
            assert got == data
        assert relay.to_server.bytes == relay.to_client.bytes == len(data)


@pytest.mark.parametrize("split", [1, 7])
def test_tcp_split_passes_small_pieces(listener: socket.socket, split: int) -> None:
    def pieces(seed: int) -> list[int]:
        sizes, got = [], b""
        relay = TcpRelay(listener.getsockname(), split=split, seed=seed)
        with relay, connected(relay, listener) as (client, server):
            client.sendall(bytes(range(200)))
            pump_until(lambda: relay._pairs[0][0].size or relay.to_server.bytes, relay.pump)
            while len(got) < 200:
                while len(got) < relay.to_server.bytes:
                    sizes.append(len(piece := read(server) or b""))
                    got += piece
                relay.pump()
        assert got == bytes(range(200))
        return sizes

    assert set(pieces(1)) <= set(range(1, split + 1))
    if split > 1:
        assert len(set(pieces(1))) > 1
        assert pieces(1) == pieces(1) != pieces(2)


def test_tcp_delay_by_the_clock_keeps_the_order(listener: socket.socket) -> None:
    clock = Clock()
    with TcpRelay(listener.getsockname(), delay=0.05, jitter=0.04, clock=clock) as relay:
        with connected(relay, listener) as (client, server):
            for number in range(50):
                client.send(bytes([number]))
                pump_until(lambda expected=number + 1: relay._pairs[0][0].size == expected, relay.pump)  # type: ignore[misc]
            clock.now += 0.009
            relay.pump()
            assert relay.to_server.bytes == 0
            client.shutdown(socket.SHUT_WR)
            pump_until(lambda: relay._pairs[0][0].ended, relay.pump)
            while relay.to_server.bytes < 50:
                assert clock.now < 1000.1
                clock.now += 0.001
                relay.pump()
            clock.now += 0.1
            assert read_all(server, relay.pump) == bytes(range(50))


def test_tcp_rate_by_the_clock(listener: socket.socket) -> None:
    clock = Clock()
    with TcpRelay(listener.getsockname(), rate=10_000, clock=clock) as relay:
        with connected(relay, listener) as (client, _):
            client.sendall(bytes(5_000))
            pump_until(lambda: relay._pairs[0][0].size == 5_000, relay.pump)
            assert relay.to_server.bytes == 0
            for _ in range(20):
                clock.now += 0.01
                relay.pump()
            assert 1_990 <= relay.to_server.bytes <= 2_000
            clock.now += 100  # a pause is no reason to hurry
            relay.pump()
            assert 2_990 <= relay.to_server.bytes <= 3_000
            assert relay.pump() == 0


def test_tcp_a_reader_that_stops_fills_the_buffers_of_the_sender(listener: socket.socket) -> None:
    with TcpRelay(listener.getsockname()) as relay, connected(relay, listener) as (client, server):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        relay.stop_reading(to_server=False)
        sent = 0

        def blocked() -> bool:
            nonlocal sent
            try:
                sent += server.send(bytes(10_000))
            except BlockingIOError:
                return not select.select([], [server], [], 0.05)[1]
            return False

        pump_until(blocked, relay.pump)
        assert relay.to_client.bytes == 0
        assert sent < 8 << 20
        client.sendall(b"the other way is open")
        assert read_all(server, relay.pump, size=21) == b"the other way is open"
        relay.start_reading(to_server=False)
        assert len(read_all(client, relay.pump, size=sent)) == sent


def test_tcp_end_of_stream_is_passed_on_by_halves(listener: socket.socket) -> None:
    with TcpRelay(listener.getsockname()) as relay, connected(relay, listener) as (client, server):
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert read_all(server, relay.pump) == b"question"
        assert relay.connections == 1
        server.sendall(b"answer")
        server.close()
        assert read_all(client, relay.pump) == b"answer"
        pump_until(lambda: relay.connections == 0, relay.pump)


def test_tcp_reset_reaches_both_ends(listener: socket.socket) -> None:
    with TcpRelay(listener.getsockname()) as relay:
        with connected(relay, listener) as (client, server), connected(relay, listener) as (client_2, server_2):
            assert relay.connections == 2
            relay.reset()
            assert relay.connections == 0
            for sock in (client, server, client_2, server_2):
                pump_until(lambda sock=sock: was_reset(sock), relay.pump)  # type: ignore[misc]
        with connected(relay, listener) as (client, server):
            client.send(b"again")
            assert read_all(server, relay.pump, size=5) == b"again"


@pytest.mark.parametrize("who", ["client", "server"])
def test_tcp_a_reset_is_passed_on_after_the_bytes_before_it(listener: socket.socket, who: str) -> None:
    with TcpRelay(listener.getsockname(), split=1) as relay, connected(relay, listener) as (client, server):
        source, sink = (client, server) if who == "client" else (server, client)
        source.sendall(b"last words")
        pipe = relay._pairs[0][who == "server"]
        pump_until(lambda: pipe.size, relay.pump)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        source.close()
        assert read_all(sink, relay.pump, size=10) == b"last words"
        pump_until(lambda: was_reset(sink), relay.pump)
        pump_until(lambda: relay.connections == 0, relay.pump)


def test_tcp_writing_to_somebody_who_left_is_answered_with_a_reset(listener: socket.socket) -> None:
    with TcpRelay(listener.getsockname()) as relay, connected(relay, listener) as (client, server):
        client.close()

        def write() -> bool:
            try:
                server.send(b"are you there?")
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        pump_until(write, relay.pump)
        pump_until(lambda: relay.connections == 0, relay.pump)


def test_tcp_a_server_that_is_not_there_resets_the_client(listener: socket.socket) -> None:
    target = listener.getsockname()
    listener.close()
    with TcpRelay(target) as relay, socket.create_connection(relay.address) as client:
        client.setblocking(False)
        pump_until(lambda: was_reset(client), relay.pump)
        pump_until(lambda: relay.connections == 0, relay.pump)


def test_running_pumps_beside_blocking_code(listener: socket.socket) -> None:
    data = random.Random(1).randbytes(20_000)

    def echo() -> None:
        with listener.accept()[0] as sock:
            sock.settimeout(10)
            while piece := sock.recv(10_000):
                sock.sendall(piece)

    thread = threading.Thread(target=echo)
    with TcpRelay(listener.getsockname(), split=100) as relay, relay.running():
        thread.start()
        with socket.create_connection(relay.address, timeout=10) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            got = b""
            while piece := client.recv(10_000):
                got += piece
        thread.join(10)
    assert got == data


def test_running_reset_from_another_thread(listener: socket.socket) -> None:
    with TcpRelay(listener.getsockname(), split=1) as relay, relay.running():
        with socket.create_connection(relay.address, timeout=10) as client:
            client.sendall(bytes(20_000))
            with listener.accept()[0] as server:
                server.settimeout(10)
                server.recv(100)
                relay.reset()
                with pytest.raises(ConnectionError):
                    while server.recv(10_000):
                        pass


def test_running_raises_the_error_of_its_thread(server: socket.socket, client: socket.socket) -> None:
    raised = threading.Event()

    def drop(datagram: bytes, to_server: bool) -> bool:
        raised.set()
        raise ZeroDivisionError("a mistake in a test")

    with UdpRelay(server.getsockname(), drop=drop) as relay:
        with pytest.raises(ZeroDivisionError), relay.running():
            client.sendto(b"x", relay.address)
            assert raised.wait(10)
        with pytest.raises(ZeroDivisionError) as caught, relay.running():
            client.sendto(b"x", relay.address)
            pump_until(lambda: False, timeout=0.05)
        assert isinstance(caught.value.__context__, AssertionError)


def test_close_is_idempotent_and_frees_the_port(listener: socket.socket) -> None:
    for kind in (TcpRelay, UdpRelay):
        relay = kind(listener.getsockname())
        assert relay.address[0] == HOST
        relay.close()
        relay.close()
        assert relay.pump() == 0
    with TcpRelay(listener.getsockname()) as tcp, connected(tcp, listener) as (_, server):
        tcp.close()
        assert read_all(server) == b""


def test_pump_until_returns_the_value_or_names_the_condition() -> None:
    calls: list[int] = []
    assert pump_until(lambda: len(calls) == 3 and "done", lambda: calls.append(1)) == "done"

    def the_cows_come_home() -> bool:
        return False

    with pytest.raises(AssertionError, match="the_cows_come_home"):
        pump_until(the_cows_come_home, timeout=0)
    with pytest.raises(AssertionError, match=r"not true after 0 s: .*lambda: 6 \* 7 == 43"):
        pump_until(lambda: 6 * 7 == 43, timeout=0)
