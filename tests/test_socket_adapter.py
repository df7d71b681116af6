"""The loop of the socket adapter, and its listener: what only TCP can do to us, and what no honest network shows."""

import errno
import itertools
import math
import selectors
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from fake_sockets import FakeSocket, fake_adapter, opened
from relays import pump_until

from pygnetic.limits import DEFAULT, Limits
from pygnetic.network import socket_adapter
from pygnetic.network.base import CLOSED, OPENED
from pygnetic.network.socket_adapter import Adapter


@pytest.fixture
def adapter() -> Any:
    return fake_adapter()


class MacListener:
    """Does what accept() does on macOS with a connection that was reset before: it has no address."""

    def __init__(self, listener):
        self._listener = listener
        self.handed_over = []

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def accept(self):
        sock, address = self._listener.accept()
        self.handed_over.append(sock)
        return sock, address if len(self.handed_over) > 1 else None


def test_a_connection_that_was_reset_before_accept_is_left_out_on_macos():
    adapter = Adapter(("127.0.0.1", 0), limits=DEFAULT)
    adapter._listener = listener = MacListener(adapter._listener)
    reset, good = (socket.create_connection(adapter.address) for _ in range(2))
    events = []
    with reset, good:
        pump_until(lambda: events, lambda: events.extend(adapter.poll()))
        assert [(kind, peer.address) for kind, peer, _, _ in events] == [(OPENED, good.getsockname())]
        assert listener.handed_over[0].fileno() == -1  # closed
    adapter.close()


def test_a_crowd_that_connects_at_once_takes_no_more_than_io_time_of_an_update():
    adapter = Adapter(("127.0.0.1", 0), limits=Limits(io_time=5))
    now = itertools.count()
    adapter.clock = lambda: next(now) / 1000  # each look is a millisecond later
    crowd = [socket.create_connection(adapter.address) for _ in range(20)]
    assert 1 <= len(adapter.poll()) < 10
    opened = []
    pump_until(lambda: len(opened) >= 10, lambda: opened.extend(adapter.poll()))
    for sock in crowd:
        sock.close()
    adapter.close()


class WindowsSelector(selectors.SelectSelector):
    """Does what Windows' select() does with three empty lists: WSAEINVAL."""

    def select(self, timeout=None):
        if not self.get_map():
            raise OSError(10022, "An invalid argument was supplied")
        return super().select(timeout)


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(socket_adapter.selectors, "DefaultSelector", WindowsSelector)


def test_a_client_without_a_connection_can_be_updated_on_windows(windows):
    adapter = Adapter(limits=DEFAULT)
    start = adapter.clock()
    assert adapter.poll() == adapter.poll(20) == []
    assert adapter.clock() - start >= 0.019  # it waited as it was told
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = adapter.connect(*listener.getsockname())
        remote, _ = listener.accept()
        remote.close()
    events = []
    pump_until(lambda: any(event[0] == CLOSED for event in events), lambda: events.extend(adapter.poll()))
    assert events[-1][1] is peer
    assert adapter.poll() == []
    adapter.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_the_listener_rests(adapter: Any, number: int) -> None:
    now = [100.0]
    adapter.clock = lambda: now[0]
    adapter._listener = FakeSocket(accept=OSError(number, "too many"))
    adapter.selector.register(adapter._listener, 1, None)
    adapter._accept(math.inf)
    assert adapter.selector.registered == {}
    adapter.poll()
    assert adapter.selector.registered == {}
    now[0] += 1.0
    adapter.poll()
    assert list(adapter.selector.registered) == [adapter._listener]


def test_an_accept_that_came_to_nothing(adapter: Any) -> None:
    adapter._listener = FakeSocket(accept=OSError(errno.ECONNABORTED, "gone again"))
    adapter.selector.register(adapter._listener, 1, None)
    adapter._accept(math.inf)
    assert list(adapter.selector.registered) == [adapter._listener] and adapter.poll() == []


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

    monkeypatch.setattr(socket_adapter.Peer, "read", read)
    ready = [(SimpleNamespace(data=peer), 1) for peer in peers]
    monkeypatch.setattr(adapter.selector, "select", lambda timeout: ready)
    for _ in range(7):
        adapter.poll()
    assert order == [0, 1, 2, 0, 1, 2, 0]


def test_a_crowd_at_the_door_is_let_in_by_and_by(adapter: Any) -> None:
    adapter._listener = SimpleNamespace(accept=lambda: (FakeSocket(), ("::ffff:10.0.0.1", 5)), close=lambda: None)
    adapter._accept(math.inf)
    events = adapter.poll()
    assert len(events) == 128 and {peer.address for _, peer, *_ in events} == {("10.0.0.1", 5)}


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
