"""What network adapters share, and the corners of the socket adapter that no honest network shows."""

import errno
import math
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT
from pygnetic.network import base, memory_adapter, socket_adapter


@pytest.mark.parametrize("port", [0, 1, 80, 65535])
def test_a_port(port: int) -> None:
    assert base.check_port("host", port, 0) == port


@pytest.mark.parametrize("port", [-1, 65536, True, 80.5, "80", None, 10**30])
def test_no_port(port: Any) -> None:
    with pytest.raises(OSError, match=r"is no port \(host 'here'\); a port is a number from 1 to 65535"):
        base.check_port("here", port, 1)


def test_a_port_that_is_a_text() -> None:
    """It comes from sys.argv or from a text field."""
    with pytest.raises(OSError, match=r"^\[Errno \d+\] '80' is no port .* to 65535, and this is a text: int\('80'\)$"):
        base.check_port("here", "80", 1)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("localhost:10000", "'localhost:10000' is no host; the port stands by itself: 'localhost', 10000"),
        ("10.0.0.7:80", "the port stands by itself: '10.0.0.7', 80"),
        (10000, "10000 is no host; give a name or an address, such as 'localhost', or port=10000"),
    ],
)
def test_a_port_where_the_host_is_due(host: Any, text: str) -> None:
    with pytest.raises(OSError, match=text):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_STREAM)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EADDRINUSE, "cannot listen on here:5: another program .* uses it; stop that one, or choose another"),
        (errno.EADDRNOTAVAIL, "cannot listen on here:5: this machine has no such address; use '' for all of its"),
        (errno.EACCES, "cannot listen on here:5: not allowed; choose a port above 1023"),
        (errno.EPERM, "not allowed; choose a port above 1023"),
        (errno.ENOBUFS, "cannot listen on here:5: out of room"),
    ],
)
def test_listen_error(number: int, text: str) -> None:
    error = base.listen_error(("here", 5), OSError(number, "out of room"))
    assert error.errno == number
    with pytest.raises(OSError, match=text):
        raise error


def test_listen_error_of_an_unnamed_host_and_without_a_number() -> None:
    error = base.listen_error(("", 5), OSError("odd"))
    assert error.errno == errno.EADDRNOTAVAIL and str(error).endswith("cannot listen on *:5: odd")


@pytest.mark.parametrize(
    ("address", "text"), [(("10.0.0.7", 80), "10.0.0.7:80"), (("::1", 80), "[::1]:80"), (("", 80), "*:80")]
)
def test_how_an_address_is_written(address: tuple[str, int], text: str) -> None:
    assert base.written(address) == text
    assert f"cannot listen on {text}: " in str(base.listen_error(address, OSError(errno.EADDRINUSE, "in use")))


def test_why_a_peer_is_gone() -> None:
    assert base.never_opened(False) is DisconnectReason.UNREACHABLE
    assert base.never_opened(True) is DisconnectReason.LOST


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_numbers_resolve_without_a_thread(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.threading, "Thread", None)
    try:
        [(family, address)] = base.resolve(host, 80, 0.0, kind=socket.SOCK_STREAM)
    except OSError:
        pytest.skip("no IPv6 here")
    assert family == (socket.AF_INET6 if ":" in host else socket.AF_INET) and address[:2] == (host, 80)


@pytest.mark.parametrize("host", ["", None, 5, b"127.0.0.1"])
def test_no_host(host: Any) -> None:
    with pytest.raises(OSError, match="is no host; give a name or an address, such as 'localhost'"):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_STREAM)


@pytest.mark.parametrize("host", ["::1", "fe80::1%lo"])
def test_an_ipv6_address_where_only_ipv4_is_known(host: str) -> None:
    with pytest.raises(OSError, match=f"'{host}' is an IPv6 address, and here only IPv4 is known; the socket adapter"):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_DGRAM, family=socket.AF_INET)


@pytest.mark.parametrize(
    "problem", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), OSError("odd")]
)
def test_a_name_that_does_not_resolve(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match=r"host 'nowhere' does not resolve \(.+\); is its name right\?"):
        base.resolve("nowhere", 80, 5.0, kind=socket.SOCK_STREAM)


def test_every_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("10.0.0.1", 80)), (socket.AF_INET, 1, 6, "", ("10.0.0.2", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: found)
    resolved = base.resolve("somewhere", 80, 5.0, kind=socket.SOCK_STREAM)
    assert [address for _, address in resolved] == [("10.0.0.1", 80), ("10.0.0.2", 80)]


# -- memory


def test_memory_polls_never_wait_and_flush_does_nothing() -> None:
    adapter = memory_adapter.Adapter(limits=DEFAULT)
    adapter.flush()
    assert adapter.poll(1e9) == []
    adapter.close()


# -- socket


class FakeSocket:
    """Does what a script says, where a real socket does so once in a million years."""

    def __init__(self, **script: Any) -> None:
        self.script = script
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            result = self.script.get(name, 0)
            if isinstance(result, Exception):
                raise result
            return result

        return call

    def close(self) -> None:
        self.closed = True


class FakeSelector:
    def __init__(self) -> None:
        self.registered: dict[Any, int] = {}

    def register(self, sock: Any, mask: int, data: Any) -> None:
        assert sock not in self.registered
        self.registered[sock] = mask

    def modify(self, sock: Any, mask: int, data: Any) -> None:
        assert sock in self.registered
        self.registered[sock] = mask

    def unregister(self, sock: Any) -> None:
        del self.registered[sock]

    def get_map(self) -> Any:
        return self.registered

    def select(self, timeout: float) -> list[Any]:
        return []

    def close(self) -> None:
        self.registered.clear()


@pytest.fixture
def adapter() -> Any:
    adapter = socket_adapter.Adapter(limits=DEFAULT)
    assert adapter._selector is not None
    adapter._selector.close()
    adapter._selector = FakeSelector()  # type: ignore[assignment]
    return adapter


def opened(adapter: Any, **script: Any) -> Any:
    """A peer of an adapter, on a fake socket."""
    peer = socket_adapter.Peer(adapter, ("10.0.0.1", 80))
    peer._sock = FakeSocket(**script)  # type: ignore[assignment]
    adapter._peers.add(peer)
    adapter._open(peer)
    assert [kind for kind, *_ in adapter.poll()] == [base.OPENED]
    return peer


def test_the_next_address_is_tried(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [OSError(errno.EAFNOSUPPORT, "no IPv6"), FakeSocket(connect_ex=errno.ENETUNREACH),
            FakeSocket(connect_ex=errno.EINPROGRESS)]  # fmt: skip

    def make(*args: Any) -> Any:
        result = made.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    second = made[1]
    monkeypatch.setattr(socket_adapter.socket, "socket", make)
    peer = socket_adapter.Peer(adapter, ("somewhere", 80))
    peer._addresses = [(socket.AF_INET6, ("::1", 80))]
    peer._addresses += [(socket.AF_INET, ("10.0.0.1", 80)), (socket.AF_INET, ("10.0.0.2", 80))]
    adapter._peers.add(peer)
    adapter._try_next(peer)
    assert peer.address == ("10.0.0.2", 80) and second.closed and not made
    assert adapter.poll() == []


def test_no_address_is_left(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_adapter.socket, "socket", lambda *args: FakeSocket(connect_ex=errno.ENETUNREACH))
    peer = socket_adapter.Peer(adapter, ("somewhere", 80))
    peer._addresses = [(socket.AF_INET, ("10.0.0.1", 80))]
    adapter._try_next(peer)
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.UNREACHABLE)]


@pytest.mark.parametrize("writes_first", [False, True])
def test_an_error_is_the_end_once_it_is_read(adapter: Any, writes_first: bool) -> None:
    reset = OSError(errno.ECONNRESET, "reset")
    peer = opened(adapter, recv=reset, send=reset)
    if writes_first:
        assert peer.send(b"hello")
        assert adapter.poll() == [] and peer.unsent == 0  # what came before may still be there to be read
    assert adapter._read(peer) is False
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.LOST)]
    assert peer.send(b"hello") is False
    assert adapter._read(peer) is False  # the selector may still have named it
    adapter.drop(peer, DisconnectReason.LOST)
    assert adapter.poll() == []


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR])
def test_not_now_is_no_error(adapter: Any, number: int) -> None:
    peer = opened(adapter, recv=OSError(number, "later"), send=OSError(number, "later"))
    assert peer.send(b"hello")
    adapter.flush()
    assert adapter._read(peer) is False
    assert adapter.poll() == [] and peer.unsent == 9 + 64
    peer._sock.script["send"] = 9
    adapter._write(peer)
    assert peer.unsent == 0


def test_a_peer_that_is_dropped_while_its_packet_waits(adapter: Any) -> None:
    peer = opened(adapter)
    peer.send(b"hello")
    peer.abort()
    adapter.flush()
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.LOST)]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_the_listener_rests(adapter: Any, number: int) -> None:
    now = [100.0]
    adapter.clock = lambda: now[0]
    adapter._listener = FakeSocket(accept=OSError(number, "too many"))
    adapter._selector.register(adapter._listener, 1, None)
    adapter._accept(math.inf)
    assert adapter._selector.registered == {}
    adapter.poll()
    assert adapter._selector.registered == {}
    now[0] += 1.0
    adapter.poll()
    assert list(adapter._selector.registered) == [adapter._listener]


def test_an_accept_that_came_to_nothing(adapter: Any) -> None:
    adapter._listener = FakeSocket(accept=OSError(errno.ECONNABORTED, "gone again"))
    adapter._selector.register(adapter._listener, 1, None)
    adapter._accept(math.inf)
    assert list(adapter._selector.registered) == [adapter._listener] and adapter.poll() == []


@pytest.mark.parametrize("more", [False, True])
def test_one_poll_takes_a_bounded_time_and_all_get_their_turn(adapter: Any, monkeypatch: Any, more: bool) -> None:
    now = [0.0]
    adapter.clock = lambda: now[0]
    peers = [opened(adapter) for _ in range(3)]
    order: list[int] = []

    def read(peer: Any, chunk: int) -> bool:
        order.append(peers.index(peer))
        now[0] += 1.0  # longer than a poll may take
        return more

    monkeypatch.setattr(adapter, "_read", read)
    ready = [(SimpleNamespace(data=peer), 1) for peer in peers]
    monkeypatch.setattr(adapter._selector, "select", lambda timeout: ready)
    for _ in range(7):
        adapter.poll()
    assert order == [0, 1, 2, 0, 1, 2, 0]


def test_what_did_not_go_out_at_once_goes_when_the_socket_takes_it(adapter: Any, monkeypatch: Any) -> None:
    peer = opened(adapter, send=OSError(errno.EAGAIN, "later"))
    peer.send(b"hello")
    adapter.poll()
    assert adapter._selector.registered[peer._sock] == 3  # reading and writing
    peer._sock.script["send"] = 4
    monkeypatch.setattr(adapter._selector, "select", lambda timeout: [(SimpleNamespace(data=peer), 2)])
    adapter.poll()
    assert peer.unsent == 5 + 64 and adapter._selector.registered[peer._sock] == 3
    peer._sock.script["send"] = 5
    adapter.poll()
    assert peer.unsent == 0 and adapter._selector.registered[peer._sock] == 1


def test_a_crowd_at_the_door_is_let_in_by_and_by(adapter: Any) -> None:
    adapter._listener = SimpleNamespace(accept=lambda: (FakeSocket(), ("::ffff:10.0.0.1", 5)), close=lambda: None)
    adapter._accept(math.inf)
    events = adapter.poll()
    assert len(events) == 128 and {peer.address for _, peer, *_ in events} == {("10.0.0.1", 5)}


def test_close_does_not_read_a_flood_to_its_end(adapter: Any) -> None:
    peer = opened(adapter, recv=b"x" * 65536)
    sock = peer._sock
    adapter.close()
    assert sock.closed


def test_a_closed_adapter(adapter: Any) -> None:
    adapter.close()
    adapter.close()
    assert adapter.poll() == []
    with pytest.raises(OSError, match="this adapter is closed"):
        adapter.connect("127.0.0.1", 80)


def test_listening_on_all_addresses_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_adapter.socket, "has_dualstack_ipv6", lambda: False)
    adapter = socket_adapter.Adapter(("", 0), limits=DEFAULT)
    assert adapter.address is not None and adapter.address[0] == "0.0.0.0"
    adapter.close()


def test_a_link_local_address_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[Any] = []

    class Watching(socket.socket):
        def bind(self, address: Any) -> None:
            bound.append(address)
            raise OSError(errno.EADDRNOTAVAIL, "no such address")

    monkeypatch.setattr(socket_adapter.socket, "socket", Watching)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [(socket.AF_INET6, 1, 6, "", ("fe80::1", 5, 0, 7))])
    with pytest.raises(OSError, match="cannot listen on"):
        socket_adapter._listen("fe80::1%eth7", 5, 1.0)
    assert bound == [("fe80::1", 5, 0, 7)]


def test_a_family_that_this_machine_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyIPv4(socket.socket):
        def __init__(self, family: int = -1, *args: Any, **kwargs: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "no IPv6")
            super().__init__(family, *args, **kwargs)

    monkeypatch.setattr(socket_adapter.socket, "socket", OnlyIPv4)
    monkeypatch.setattr(socket_adapter.socket, "has_dualstack_ipv6", lambda: True)
    adapter = socket_adapter.Adapter(("", 0), limits=DEFAULT)
    assert adapter.address is not None and adapter.address[0] == "0.0.0.0"
    adapter.close()
    with pytest.raises(OSError, match=r"cannot listen on \[::1\]:5: no IPv6"):
        socket_adapter._listen("::1", 5, 1.0)


def test_no_reuse_of_addresses_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Watching(socket.socket):
        def setsockopt(self, level: int, option: int, value: Any) -> None:  # type: ignore[override]
            asked.append(option)
            super().setsockopt(level, option, value)

    monkeypatch.setattr(socket_adapter.socket, "socket", Watching)
    for name in ("posix", "nt"):
        monkeypatch.setattr(socket_adapter, "os", SimpleNamespace(name=name))
        asked.clear()
        socket_adapter._listen("127.0.0.1", 0, 1.0).close()
        assert (socket.SO_REUSEADDR in asked) is (name == "posix")
