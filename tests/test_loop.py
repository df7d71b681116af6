"""The loop of a Client or Server: what one update() does, and how long it waits."""

from __future__ import annotations

from typing import Any

import pytest
from memory_pair import Pair
from world import Recorder, World, texts

import pygnetic as net
from pygnetic.message import MessageFactory


def test_update_inside_a_handler_is_refused(world: World) -> None:
    class Impatient(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            self.server.update()

    server = world.server(handler=Impatient)
    alice = world.join(server)
    alice.net_echo("one")
    with pytest.raises(RuntimeError, match=r"update\(\) was called from inside a handler"):
        world.until(lambda: False)
    server.update()
    assert texts(server.made[0]) == ["one"]


def test_another_ends_update_inside_a_handler_is_fine(world: World) -> None:
    class Proxy(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            alice.client.update()

    server = world.server(handler=Proxy)
    alice = world.join(server)
    alice.net_echo("one")
    world.until(lambda: server.made[0].messages)


def test_a_wait_is_never_longer_than_the_next_deadline(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    poll = pair.client._adapter.poll
    monkeypatch.setattr(pair.client._adapter, "poll", lambda timeout: waits.append(timeout) or poll(timeout))
    pair.client.update()
    pair.client.update(1e9)  # a PING is due once a second
    pair.client.update(5)
    assert waits[0] == 0 and 5 < waits[1] <= 1000 and waits[2] == 5


def test_nobody_waits_when_something_is_left_to_do(factory: MessageFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    with Pair(factory, limits=net.limits.Limits(messages=2)) as pair:
        pair.open()
        for _ in range(5):
            pair.connection.net_ready()
        pair.update()
        waits: list[float] = []
        poll = pair.server._adapter.poll
        monkeypatch.setattr(pair.server._adapter, "poll", lambda timeout: waits.append(timeout) or poll(timeout))
        for _ in range(3):
            pair.server.update(500)
        assert waits[:2] == [0, 0] and waits[2] > 0
        assert pair.remote.messages_received == 5


def test_a_wait_without_any_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with net.Client(n_adapter="memory") as client:
        waits: list[float] = []
        monkeypatch.setattr(client._adapter, "poll", lambda timeout: waits.append(timeout) or [])
        for timeout in (77, 0.5, 0, -1, float("nan"), 1e10, float("inf")):
            client.update(timeout)
        assert waits == [77, 0.5, 0, 0, 0, 3_600_000, 3_600_000]


def test_a_wait_is_a_number(pair: Pair) -> None:
    for wrong in ("20", [1]):
        with pytest.raises(TypeError, match=r"update\(\) takes how long to wait, a number of ms, not "):
            pair.client.update(wrong)  # type: ignore[arg-type]
    pair.update()


def test_control_packets_leave_in_the_update_that_made_them(world: World) -> None:
    """On a real network a WELCOME or PONG must not wait for the next frame."""
    server = world.server()
    client = world.client(message_factory=server.message_factory)
    connection = client.connect(*server.address)
    flushed = []
    flush = server._adapter.flush
    server._adapter.flush = lambda: (flushed.append(len(server.connections())), flush())
    world.until(lambda: connection.connected)
    assert flushed[-1] == 1
