"""What only TCP can do to us."""

import contextlib
import errno
import itertools
import selectors
import socket
import struct
from types import SimpleNamespace

import pytest
from relays import pump_until
from world import World

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


class Silent:
    """A socket to an address that does not answer until it is told to: a full pipe, which nobody can write into."""

    def __init__(self):
        self._sock, self._far = socket.socketpair()
        for end in (self._sock, self._far):
            end.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._sock.send(b"x" * 65536)

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def connect_ex(self, address):
        return errno.EINPROGRESS

    def answer(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self._far.recv(65536)


class Racing:
    """An adapter, and a peer whose addresses have these sockets; those behind the first are tried once it is time."""

    def __init__(self, monkeypatch, *sockets):
        self.now = 100.0
        self.adapter = Adapter(limits=DEFAULT)
        self.adapter.clock = lambda: self.now
        self.sockets = sockets
        addresses = [("10.0.0.1", 80) if isinstance(sock, Silent) else sock.getsockname() for sock in sockets]
        found = [(socket.AF_INET, address) for address in addresses]
        monkeypatch.setattr(socket_adapter, "resolve", lambda *args, **options: found)
        todo, real = list(sockets), socket.socket

        def make(*args):
            sock = todo.pop(0)
            return sock if isinstance(sock, Silent) else real(*args)

        monkeypatch.setattr(socket_adapter.socket, "socket", make)
        self.peer = self.adapter.connect("somewhere", 80)
        self.events = self.adapter.poll()
        if isinstance(sockets[0], Silent):
            assert len(todo) == len(sockets) - 1  # the next is tried later

    def until(self, kind):
        def pump():
            self.now += 0.3
            self.events += self.adapter.poll()

        pump_until(lambda: self.events, pump)
        self.events += self.adapter.poll()
        assert [event[:2] for event in self.events] == [(kind, self.peer)]


@pytest.fixture
def race(monkeypatch):
    made = []

    def make(*sockets):
        made.append(Racing(monkeypatch, *sockets))
        return made[-1]

    yield make
    for racing in made:
        racing.adapter.close()
        for sock in racing.sockets:
            if isinstance(sock, Silent):
                assert sock.fileno() == -1  # the adapter has closed it
                sock._far.close()


def test_the_next_address_is_tried_beside_a_silent_one(race):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Silent()
        racing = race(silent, listener)
        racing.until(OPENED)
        assert racing.peer.address == listener.getsockname()
        assert silent.fileno() == -1
        assert racing.peer.send(b"hello")


def test_the_first_address_is_taken_though_it_answers_late(race):
    first, second = Silent(), Silent()
    racing = race(first, second)
    racing.now += 0.3
    assert racing.adapter.poll() == []
    first.answer()
    racing.until(OPENED)
    assert racing.peer._sock is first and second.fileno() == -1


def test_two_addresses_that_answer_at_once_open_once(race):
    first, second = Silent(), Silent()
    racing = race(first, second)
    racing.now += 0.3
    assert racing.adapter.poll() == []
    first.answer()
    second.answer()
    racing.until(OPENED)
    assert [first.fileno(), second.fileno()].count(-1) == 1


def test_a_peer_is_given_up_while_its_addresses_are_tried(race):
    racing = race(Silent(), Silent())
    racing.now += 0.3
    assert racing.adapter.poll() == []
    racing.peer.abort()
    racing.until(CLOSED)


def test_no_address_of_several_answers(race):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = listener.getsockname()
    racing = race(SimpleNamespace(getsockname=lambda: gone), SimpleNamespace(getsockname=lambda: gone))
    racing.until(CLOSED)


def test_a_wait_ends_when_the_next_address_is_due():
    adapter = Adapter(limits=DEFAULT)
    adapter.clock = lambda: 100.0
    waits = []
    adapter._selector.close()
    adapter._selector = SimpleNamespace(
        select=lambda seconds: waits.append(seconds) or [], get_map=lambda: [1], close=lambda: None
    )
    adapter._waiting = {object(): 100.125}
    adapter.poll(1000)
    adapter.poll(50)
    assert waits == [0.125, 0.05]
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


@pytest.mark.parametrize("change", ["register", "modify", "unregister"])
def test_ctrl_c_behind_a_change_of_the_selector(change, monkeypatch):
    with World("socket") as world:
        server = world.server()
        player = world.join(server)
        adapter, peer = server._adapter, player.there._peer
        selector = adapter._selector
        really = getattr(selector, change)

        def interrupted(*args):
            really(*args)
            monkeypatch.undo()
            raise KeyboardInterrupt

        if change == "register":
            adapter._watch(peer, 0)
        monkeypatch.setattr(selector, change, interrupted)
        mask = {"register": 1, "modify": 3, "unregister": 0}[change]
        with pytest.raises(KeyboardInterrupt):
            adapter._watch(peer, mask)
        adapter._watch(peer, mask)
        adapter._watch(peer, 1)
        player.net_echo("still here")
        world.until(lambda: server.made[0].messages)
