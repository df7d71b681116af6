"""Connecting over TCP: which of a host's addresses is taken."""

import contextlib
import errno
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from fake_sockets import FakeSocket, fake_adapter
from relays import pump_until

from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT
from pygnetic.network import base, socket_adapter
from pygnetic.network.base import CLOSED, OPENED
from pygnetic.network.socket_adapter import Adapter, Peer


@pytest.fixture
def adapter() -> Any:
    return fake_adapter()


def test_the_next_address_is_tried(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [OSError(errno.EAFNOSUPPORT, "no IPv6"), FakeSocket(connect_ex=errno.ENETUNREACH),
            FakeSocket(connect_ex=errno.EINPROGRESS)]  # fmt: skip

    def make(*args: Any) -> Any:
        result = made.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    second = made[1]
    monkeypatch.setattr(socket, "socket", make)
    peer = Peer(adapter, ("somewhere", 80))
    addresses: list[Any] = [(socket.AF_INET6, ("::1", 80))]
    addresses += [(socket.AF_INET, ("10.0.0.1", 80)), (socket.AF_INET, ("10.0.0.2", 80))]
    adapter._peers.add(peer)
    adapter._dialler.dial(peer, addresses)
    assert peer.address == ("10.0.0.2", 80) and second.closed and not made
    assert adapter.poll() == []


def test_no_address_is_left(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *args: FakeSocket(connect_ex=errno.ENETUNREACH))
    peer = Peer(adapter, ("somewhere", 80))
    adapter._dialler.dial(peer, [(socket.AF_INET, ("10.0.0.1", 80))])
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.UNREACHABLE)]


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
    adapter.selector.close()
    adapter.selector = SimpleNamespace(
        select=lambda seconds: waits.append(seconds) or [], get_map=lambda: [1], close=lambda: None
    )
    adapter._dialler.waiting = {object(): 100.125}
    adapter.poll(1000)
    adapter.poll(50)
    assert waits == [0.125, 0.05]
    adapter.close()
