"""The corners of the ENet adapter that no honest network shows; the contract suite has the rest."""

import gc
import struct
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from interrupts import apart
from world import World

pytest.importorskip("enet")

import pygnetic as net
from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT
from pygnetic.network import base, enet_adapter


class FakeHost:
    """ENet's host, with a script of what service() does: an event, or an exception."""

    def __init__(self, host: Any) -> None:
        self.host = host
        self.script: list[Any] = []
        self.calls = 0
        self.totalReceivedPackets = 0
        self.more = 0  # datagrams that each call reads

    def service(self, timeout: int) -> Any:
        assert timeout == 0
        self.calls += 1
        self.totalReceivedPackets += self.more
        result = self.script.pop(0) if self.script else SimpleNamespace(type=enet_adapter._NOTHING)
        if isinstance(result, BaseException):
            raise result
        return result

    def check_events(self) -> None:
        return None

    def flush(self) -> None:
        self.host.flush()

    def connect(self, *args: Any) -> Any:
        raise OSError("no slot")


@pytest.fixture
def adapter() -> Iterator[Any]:
    adapter = enet_adapter.Adapter(("127.0.0.1", 0), limits=DEFAULT)
    adapter._host = FakeHost(adapter._host)
    yield adapter
    adapter._peers = []
    adapter.close()


def fake_peer(adapter: Any, **methods: Any) -> Any:
    peer = enet_adapter.Peer(adapter, None, ("127.0.0.1", 5), b"")
    peer.remote = SimpleNamespace(**methods)
    peer.open()
    peer.slot = 0
    adapter._peers[0] = peer
    return peer


def test_enet_has_room_for_so_many() -> None:
    with pytest.raises(ValueError, match="conn_limit is 4000; ENet can have 3999 connections"):
        enet_adapter.Adapter(("127.0.0.1", 0), conn_limit=4000, limits=DEFAULT)
    with pytest.raises(ValueError, match="conn_limit is 4095; ENet can have 4087 connections"):
        enet_adapter.Adapter(conn_limit=4095, limits=DEFAULT)


@pytest.mark.parametrize("reliable", [True, False])
def test_what_enet_refuses_is_not_counted(adapter: Any, reliable: bool) -> None:
    peer = fake_peer(adapter, send=lambda channel, packet: -1)
    assert peer.send(b"hello", reliable=reliable) is False
    assert peer.unsent == 0


def test_bad_datagrams_are_passed_over(adapter: Any) -> None:
    adapter.clock = lambda: 0.0
    adapter._host.script = [OSError("too long")] * 500
    assert adapter.poll() == []
    assert adapter._host.calls == 501


@pytest.mark.parametrize("bad", [0, 1000])
def test_a_flood_of_datagrams_ends_the_poll_when_its_time_is_over(adapter: Any, bad: int) -> None:
    adapter._host.script = [OSError("too long")] * bad
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    adapter.clock = clock
    adapter._host.more = 256
    assert adapter.poll() == []
    assert 3 <= adapter._host.calls <= 8  # 5 ms of 1 ms each


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), None])
def test_ctrl_c_inside_enet_comes_out_as_itself(adapter: Any, cause: Any) -> None:
    error = SystemError("returned a result with an exception set")
    error.__cause__ = cause
    adapter._host.script = [error]
    with pytest.raises(KeyboardInterrupt if cause else SystemError):
        adapter.poll()
    assert adapter.poll() == []


def test_an_error_of_the_filter_comes_out_once(adapter: Any) -> None:
    adapter._filter.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        adapter.poll()
    assert adapter.poll() == []


def test_a_client_without_a_free_slot_is_unreachable(adapter: Any) -> None:
    peer = adapter.connect("127.0.0.1", 9)
    adapter._door.cookies = lambda: [(peer.token, 5)]
    assert adapter.poll() == [(base.CLOSED, peer, b"", DisconnectReason.UNREACHABLE)]
    peer.abort()
    adapter.drop(peer)
    assert adapter.poll() == []


def test_what_nobody_is_for_is_dropped(adapter: Any) -> None:
    packet = SimpleNamespace(data=b"hello")
    remote = SimpleNamespace(incomingPeerID=3)
    adapter._filter.received = lambda *args: None
    event = SimpleNamespace(type=enet_adapter._RECEIVE, peer=remote, packet=packet, channelID=0)
    gone = SimpleNamespace(type=999, peer=remote)
    adapter._take(event)
    adapter._take(gone)
    assert adapter.poll() == []


def test_it_can_wait_twice(adapter: Any) -> None:
    assert adapter.poll(1) == adapter.poll(1) == []


def test_many_of_one_host_join_at_once() -> None:
    with World("enet") as world:
        server = world.server(conn_limit=100)
        players = [world.connect(server) for _ in range(60)]
        for player in players:  # all ask at once, and all CONNECTs are there when the server looks
            world.pumps.remove(player.client.update)
        world.pump()
        for _ in range(3):
            for player in players:
                player.client.update()
        world.pump()
        assert server._adapter._filter.door.refused == 0, "who is refused comes again half a second later"
        world.pumps += [player.client.update for player in players]
        world.until(lambda: all(player.connected for player in players))


class Counter(net.Handler):
    count = 0

    def on_receive(self, message: Any) -> None:
        self.count += 1


def test_unreliable_messages_go_on_when_enet_runs_out_of_numbers() -> None:
    with World("enet") as world:
        factory = world.factory()
        factory.register("move", ("x",), reliable=False)
        server = world.server(message_factory=factory, handler=Counter)
        player = world.join(server)
        for number in range(70_000):  # ENet numbers them with 16 bits, and sends the 65536th as a reliable one
            player.net_move(number)
            player.flush()
            if number % 20 == 0:
                world.pump()
        before = server.made[0].count
        assert before > 60_000
        for number in range(100):
            player.net_move(number)
            world.pump()
        world.until(lambda: server.made[0].count > before + 90)
        assert player.connected
        assert server._adapter._filter.dropped < 20


def test_a_disconnect_that_enet_could_not_acknowledge_is_dropped() -> None:
    with World("enet") as world:
        server = world.server()
        player = world.join(server)
        adapter = player.client._adapter
        (remote,) = [peer.remote for peer in adapter._peers if peer is not None]
        untimed = struct.pack(">HBBHI", remote.outgoingSessionID << 12 | remote.outgoingPeerID, 0x84, 0xFF, 9, 0)
        adapter._host.socket.send(remote.address, untimed)
        world.until(lambda: server._adapter._filter.dropped)
        player.net_echo("still here")
        world.until(lambda: server.made[0].messages)


class Interrupter:
    """Press Ctrl-C before the line of Python with that number, in whatever file it is, counted over all calls."""

    def __init__(self, line: int) -> None:
        self.left = iter(range(line))
        self.pressed = False

    def __call__(self, action: Callable[[], Any]) -> Any:
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            return action()
        finally:
            sys.settrace(before)

    def trace(self, frame: Any, kind: str, argument: Any) -> Any:
        if kind == "line" and next(self.left, None) is None:
            sys.settrace(None)
            self.pressed = True
            raise KeyboardInterrupt
        return self.trace


def test_close_frees_the_port_while_a_traceback_lives() -> None:
    gc.disable()  # what is raised while it runs, in some __del__(), would be Python's to print
    try:
        assert len(apart(interrupted_polls)) > 100
    finally:
        gc.enable()


def interrupted_polls() -> list[KeyboardInterrupt]:
    """Poll with a Ctrl-C at each line in turn, and close; return what was raised."""
    # as "except KeyboardInterrupt as error" or a debugger does: with the frames, and their local variables
    kept: list[KeyboardInterrupt] = []
    pressed = True
    while pressed:
        server = enet_adapter.Adapter(("127.0.0.1", 0), limits=DEFAULT)
        client = enet_adapter.Adapter(limits=DEFAULT)
        assert server.address is not None
        peer = client.connect(*server.address)
        interrupt = Interrupter(len(kept))
        events: list[Any] = []
        try:
            while not any(kind == base.PACKET for kind, *_ in events):
                client.poll()
                peer.send(b"hello")
                client.flush()
                events = interrupt(lambda server=server: server.poll(1))
        except KeyboardInterrupt as error:
            kept.append(error)
        pressed = interrupt.pressed
        assert not pressed or not events, "it was swallowed"
        server.close()
        enet_adapter.Adapter(server.address, limits=DEFAULT).close()
        client.close()
    return kept
