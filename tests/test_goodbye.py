"""Leaving well: close(timeout), `with`, the end of a program, and forked children."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from abuse import needs_posix
from relays import TcpRelay, UdpRelay
from world import HOST, Recorder, World

import pygnetic as net
from pygnetic import event
from pygnetic._core import goodbye
from pygnetic.errors import DisconnectReason
from pygnetic.message import MessageFactory

CLOSED, KICKED = DisconnectReason.CLOSED, DisconnectReason.KICKED
PROGRAM = Path(__file__).with_name("peer_program.py")
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that starts peer_program.py with some arguments."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def messages(world: World) -> MessageFactory:
    return world.factory(update_remoteobject=("type_id", "obj_id", "variables"), say=("number", "text"),
                         said=("number", "text"))  # fmt: skip


def numbers(handler: Recorder) -> list[int]:
    return [message.number for message in handler.messages]


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline())


# -- the end of a program

LEAVING = {
    "disconnect": (CLOSED, "dinner"),
    "with": (CLOSED, "the client was closed"),
    "close": (CLOSED, "the client was closed"),
    "nothing": (CLOSED, "the client was closed"),
    "error": (CLOSED, "the client was closed"),
}


@pytest.mark.parametrize("how", LEAVING)
def test_a_client_that_leaves_and_ends_is_heard(wire_world: World, run: Run, how: str) -> None:
    server = wire_world.server(message_factory=messages(wire_world))
    client = run("leave", wire_world.network, server.address[1], how)
    wire_world.until(lambda: server.made and server.made[0].ended)
    assert numbers(server.made[0]) == list(range(100))
    assert server.made[0].connection.reason == LEAVING[how]
    said, errors = client.communicate(timeout=30)
    told = LEAVING[how][0].name + "\n" if how in ("with", "close") else ""  # handlers are called by close() alone
    assert (client.returncode, said) == (int(how == "error"), told)
    assert ("ZeroDivisionError" in errors) if how == "error" else not errors


@pytest.mark.parametrize("how", ["disconnect", "nothing"])
@pytest.mark.parametrize("lost", [b"\xc1\x06", b"x" * 100], ids=["the goodbye is lost once", "each first try is lost"])
def test_it_is_heard_over_a_bad_line(run: Run, how: str, lost: bytes) -> None:
    pytest.importorskip("enet")
    seen: set[bytes] = set()

    def drop(datagram: bytes, to_server: bool) -> bool:
        """Lose each datagram with this in it when it comes for the first time."""
        core = datagram[datagram.find(lost) - 6 :][:200] if lost in datagram else b""
        if not to_server or not core or core in seen:
            return False
        seen.add(core)
        return True

    with World("enet") as world:
        server = world.server(message_factory=messages(world))
        relay = world.add(relay := UdpRelay(server.address, delay=0.05, drop=drop), relay.pump)
        run("leave", "enet", relay.address[1], how)
        world.until(lambda: server.made and server.made[0].ended)
        assert relay.dropped
        assert numbers(server.made[0]) == list(range(100))
        assert server.made[0].connection.reason == LEAVING[how]


@pytest.mark.parametrize("first", range(6))
def test_it_is_heard_with_5_percent_loss(wire_world: World, run: Run, first: int) -> None:
    world = wire_world
    server = world.server(message_factory=messages(world))
    counts = {True: 0, False: 0}

    def drop(datagram: bytes, to_server: bool) -> bool:
        """Lose each twentieth of either way: by chance, a goodbye could be lost three times, and its second be over."""
        counts[to_server] += 1
        return counts[to_server] % 20 == first

    if world.network == "enet":
        relay: Any = UdpRelay(server.address, delay=0.05, drop=drop)
    else:
        relay = TcpRelay(server.address, delay=0.05, seed=first)
    world.add(relay, relay.pump)
    run("leave", world.network, relay.address[1], "disconnect", 3)
    world.until(lambda: server.made and server.made[0].ended)
    assert server.made[0].connection.reason == (CLOSED, "dinner")
    assert numbers(server.made[0]) == [0, 1, 2]


def test_what_does_not_get_through_in_time_ends_the_connection_all_the_same(run: Run) -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        server = world.server(message_factory=messages(world))
        seen: list[bytes] = []

        def drop(datagram: bytes, to_server: bool) -> bool:
            """Lose the first big one, however often it is sent."""
            if to_server and b"x" * 900 in datagram:
                seen.append(datagram[8:200])
            return to_server and bool(seen) and datagram[8:200] == seen[0]

        relay = UdpRelay(server.address, delay=0.01, drop=drop)
        world.add(relay, relay.pump)
        client = run("leave", "enet", relay.address[1], "disconnect", 20)
        world.until(lambda: server.made and client.poll() is not None)
        world.until(lambda: server.made[0].ended, timeout=3)
        assert server.made[0].connection.reason.code in (DisconnectReason.LOST, CLOSED)


@needs_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_by_a_signal_says_so(wire_world: World, run: Run, number: int) -> None:
    server = run("stop", wire_world.network, *["terminable"] * (number == signal.SIGTERM))
    alice = wire_world.connect((HOST, port_of(server)), message_factory=messages(wire_world))
    wire_world.until(lambda: alice.connected)
    server.send_signal(number)
    wire_world.until(lambda: alice.handler.ended)
    assert alice.reason == (KICKED, "the server was closed")
    said, errors = server.communicate(timeout=30)
    assert said == "" and errors.rstrip().endswith("KeyboardInterrupt")


def test_two_ends_in_one_program(wire_name: str, run: Run) -> None:
    process = run("meet", wire_name)
    assert process.communicate(timeout=30) == ("", "")


# -- close()


def test_close_with_a_timeout_ends_when_the_other_end_knows(wire_world: World, run: Run) -> None:
    factory = messages(wire_world)
    server = run("serve", wire_world.network)
    alice = wire_world.connect((HOST, port_of(server)), message_factory=factory)
    wire_world.until(lambda: alice.connected)
    for number in range(300):
        alice.net_say(number, "x" * 1000)
    wire_world.pumps.clear()
    alice.client.close(timeout=20_000)
    assert alice.handler.calls == ["on_connect", "on_disconnect"], "what came meanwhile is nobody's"
    assert alice.reason == (CLOSED, "")
    assert server.communicate(timeout=30) == ("CLOSED: the client was closed\n", "")


def test_close_waits_for_what_has_said_goodbye_before(wire_world: World, run: Run) -> None:
    server = run("serve", wire_world.network)
    alice = wire_world.connect((HOST, port_of(server)), message_factory=messages(wire_world))
    wire_world.until(lambda: alice.connected)
    alice.disconnect(reason="dinner")
    wire_world.pumps.clear()
    alice.client.close(timeout=20_000)
    assert alice.handler.calls == ["on_connect", "on_disconnect"]
    assert server.communicate(timeout=30) == ("CLOSED: dinner\n", "")


@pytest.mark.parametrize("first", ["client", "server"])
def test_who_hosts_and_plays_does_not_wait_for_itself(
    wire_world: World, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    server = wire_world.server()
    alice = wire_world.join(server)
    there = alice.there
    for number in range(20):
        alice.net_echo(number)
        there.net_echo(number)
    one, handler = (alice.client, server.made[0]) if first == "client" else (server, alice.handler)
    timeouts = polls(one, monkeypatch)
    wire_world.pumps.remove(one.update)
    one.close(20_000)
    assert len(timeouts) < 1000, "it waited to the end"
    wire_world.until(lambda: handler.ended)
    assert [message.text for message in handler.messages] == list(range(20))
    assert handler.calls[-1] == "on_disconnect"
    assert {alice.reason, there.reason} > {(CLOSED, "")} and alice.reason != there.reason


def test_both_ends_closed_one_after_the_other(wire_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    server = wire_world.server()
    alice = wire_world.join(server)
    timeouts = polls(alice.client, monkeypatch), polls(server, monkeypatch)
    wire_world.pumps.clear()
    alice.client.close(20_000)
    server.close(20_000)
    assert max(map(len, timeouts)) < 1000, "one of them waited to the end"
    assert alice.handler.ended == server.made[0].ended == 1
    assert server.made[0].connection.reason == (CLOSED, "the client was closed")


def polls(end: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets the timeout of each poll of a client's or server's adapter."""
    timeouts: list[float] = []
    poll = end._adapter.poll

    def counted(timeout: float = 0) -> Any:
        timeouts.append(timeout)
        return poll(timeout)

    monkeypatch.setattr(end._adapter, "poll", counted)
    return timeouts


def test_close_does_not_wait_unless_told_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    server = world.server()
    for kwargs in ({}, {"timeout": 0}, {"timeout": -5}):
        alice = world.join(server)
        timeouts = polls(alice.client, monkeypatch)
        world.pumps.remove(alice.client.update)
        alice.client.close(**kwargs)
        assert timeouts == [] and alice.handler.ended == 1


@pytest.mark.parametrize("timeout", [1, 30.5])
def test_close_does_not_wait_for_the_dead(world: World, monkeypatch: pytest.MonkeyPatch, timeout: float) -> None:
    server = world.server()
    alice = world.join(server)
    timeouts = polls(alice.client, monkeypatch)
    world.pumps.clear()
    monkeypatch.setattr(server._loop, "overhear", lambda: None)  # the server does nothing any more
    alice.client.close(timeout)
    assert alice.handler.ended == 1 and len(timeouts) >= 1 and max(timeouts) <= timeout


def test_close_does_not_wait_for_who_never_was_connected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.connect(world.server())
    timeouts = polls(alice.client, monkeypatch)
    world.pumps.remove(alice.client.update)
    alice.client.close(10_000)
    assert timeouts == [] and alice.handler.calls == ["on_disconnect"]


@pytest.mark.parametrize("wrong", ["20", None, [1]])
def test_how_long_to_wait_is_a_number(memory_world: World, wrong: Any) -> None:
    alice = memory_world.join(memory_world.server())
    with pytest.raises(TypeError, match=r"close\(\) takes how long to wait, a number of ms, not "):
        alice.client.close(wrong)
    assert alice.connected


def test_nan_does_not_wait(memory_world: World) -> None:
    alice = memory_world.join(memory_world.server())
    memory_world.stop(alice.client)
    alice.client.close(float("nan"))


def test_ctrl_c_ends_the_wait_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(timeout: float) -> None:
        raise KeyboardInterrupt

    server = world.server()
    address = server.address
    alice = world.join(server)
    monkeypatch.setattr(server._adapter, "poll", interrupted)
    world.pumps.remove(server.update)
    with pytest.raises(KeyboardInterrupt):
        server.close(10_000)
    assert server.made[0].ended == 1
    assert world.server(port=address[1]).address == address
    world.until(lambda: alice.handler.ended)
    assert alice.reason.code in (KICKED, DisconnectReason.LOST)


def test_with_waits_for_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(net.Client, "close", lambda self, timeout=0: waits.append(timeout))
    with net.Client(n_adapter=world.network):
        pass
    assert waits == [1000]


def test_no_event_is_lost_or_doubled_by_waiting(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    posted: list[Any] = []
    event.post = lambda kind, which, **_: posted.append(kind)
    alice.there.net_echo("on its way")
    world.pumps.remove(alice.client.update)
    alice.client.close(5)
    assert posted == [event.NET_DISCONNECTED]


def test_nobody_keeps_what_is_gone(memory_world: World) -> None:
    gc.collect()
    before = len(goodbye._open)
    with net.Client(n_adapter="memory"):
        assert len(goodbye._open) == before + 1
    assert len(goodbye._open) == before
    client = net.Client(n_adapter="memory")
    del client
    gc.collect()
    assert len(goodbye._open) == before


# -- forked children


@needs_posix
def test_a_forked_child_does_nothing_to_the_parents_client(wire_world: World, run: Run) -> None:
    server = wire_world.server(message_factory=messages(wire_world))
    client = run("fork_a_client", wire_world.network, server.address[1])
    wire_world.until(lambda: server.made and server.made[0].ended)
    assert numbers(server.made[0]) == list(range(5))
    assert server.made[0].connection.reason == (CLOSED, "that was all")
    assert client.communicate(timeout=30) == ("CLOSED: that was all\n", "")


@needs_posix
def test_a_forked_child_does_nothing_to_the_parents_server(wire_world: World, run: Run) -> None:
    server = run("fork_a_server", wire_world.network)
    alice = wire_world.connect((HOST, port_of(server)), message_factory=messages(wire_world))
    actions = ("close", "with", "disconnect", "collect", "exit")
    for number, action in enumerate(actions):
        alice.net_say(number, action)
    wire_world.until(lambda: len(alice.handler.messages) == len(actions))
    alice.disconnect()
    wire_world.until(lambda: alice.handler.ended)
    assert alice.reason == (CLOSED, "")
    assert server.communicate(timeout=30) == ("CLOSED\n", "")
