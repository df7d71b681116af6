"""One TCP connection: what is read, what is written, and how it ends."""

import errno
import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from fake_sockets import fake_adapter, opened
from relays import pump_until
from world import World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT
from pygnetic.network import base
from pygnetic.network.base import CLOSED, OPENED, PACKET
from pygnetic.network.socket_adapter import Adapter

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no waiting, so close() sends a reset


@pytest.fixture
def adapter() -> Any:
    return fake_adapter()


@pytest.mark.parametrize("writes_first", [False, True])
def test_an_error_is_the_end_once_it_is_read(adapter: Any, writes_first: bool) -> None:
    reset = OSError(errno.ECONNRESET, "reset")
    peer = opened(adapter, recv=reset, send=reset)
    if writes_first:
        assert peer.send(b"hello")
        assert adapter.poll() == [] and peer.unsent == 0  # what came before may still be there to be read
    assert peer.read() is False
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.LOST)]
    assert peer.send(b"hello") is False
    assert peer.read() is False  # the selector may still have named it
    adapter.drop(peer, DisconnectReason.LOST)
    assert adapter.poll() == []


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR])
def test_not_now_is_no_error(adapter: Any, number: int) -> None:
    peer = opened(adapter, recv=OSError(number, "later"), send=OSError(number, "later"))
    assert peer.send(b"hello")
    adapter.flush()
    assert peer.read() is False
    assert adapter.poll() == [] and peer.unsent == 9 + 64
    peer._sock.script["send"] = 9
    peer.write()
    assert peer.unsent == 0


def test_a_peer_that_is_dropped_while_its_packet_waits(adapter: Any) -> None:
    peer = opened(adapter)
    peer.send(b"hello")
    peer.abort()
    adapter.flush()
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.LOST)]


def test_what_did_not_go_out_at_once_goes_when_the_socket_takes_it(adapter: Any, monkeypatch: Any) -> None:
    peer = opened(adapter, send=OSError(errno.EAGAIN, "later"))
    peer.send(b"hello")
    adapter.poll()
    assert adapter.selector.registered[peer._sock] == 3  # reading and writing
    peer._sock.script["send"] = 4
    monkeypatch.setattr(adapter.selector, "select", lambda timeout: [(SimpleNamespace(data=peer), 2)])
    adapter.poll()
    assert peer.unsent == 5 + 64 and adapter.selector.registered[peer._sock] == 3
    peer._sock.script["send"] = 5
    adapter.poll()
    assert peer.unsent == 0 and adapter.selector.registered[peer._sock] == 1


def test_close_does_not_read_a_flood_to_its_end(adapter: Any) -> None:
    peer = opened(adapter, recv=b"x" * 65536)
    sock = peer._sock
    adapter.close()
    assert sock.closed


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


@pytest.mark.parametrize("change", ["register", "modify", "unregister"])
def test_ctrl_c_behind_a_change_of_the_selector(change, monkeypatch):
    with World("socket") as world:
        server = world.server()
        player = world.join(server)
        adapter, peer = server._adapter, player.there._peer
        selector = adapter.selector
        really = getattr(selector, change)

        def interrupted(*args):
            really(*args)
            monkeypatch.undo()
            raise KeyboardInterrupt

        if change == "register":
            peer.watch(0)
        monkeypatch.setattr(selector, change, interrupted)
        mask = {"register": 1, "modify": 3, "unregister": 0}[change]
        with pytest.raises(KeyboardInterrupt):
            peer.watch(mask)
        peer.watch(mask)
        peer.watch(1)
        player.net_echo("still here")
        world.until(lambda: server.made[0].messages)
