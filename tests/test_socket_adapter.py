"""What only TCP can do to us."""

import itertools
import selectors
import socket
import struct

import pytest
from relays import pump_until

from pygnetic.limits import DEFAULT, Limits
from pygnetic.network import socket_adapter
from pygnetic.network.base import CLOSED, OPENED, PACKET
from pygnetic.network.socket_adapter import Adapter

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no waiting, so close() sends a reset


def test_what_came_before_a_reset_is_read_though_writing_fails():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        adapter = Adapter(limits=DEFAULT)
        peer = adapter.connect(*listener.getsockname())
        events = []

        def pump():
            events.extend(adapter.poll())

        pump_until(lambda: any(event[0] == OPENED for event in events), pump)
        remote, _ = listener.accept()
        remote.sendall(b"\0\0\0\x04last")
        remote.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        remote.close()
        # the reset is there when the first write fails; poll() writes before it reads
        for _ in range(3):
            peer.send(b"x" * 1000)
            adapter.flush()
        pump_until(lambda: any(event[0] == CLOSED for event in events), pump)
        adapter.close()
    assert [event[0] for event in events] == [OPENED, PACKET, CLOSED]
    assert events[1][2] == b"last"
    assert not peer.send(b"more") and peer.unsent == 0


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
