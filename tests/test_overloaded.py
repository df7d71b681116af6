"""More was sent than the other end takes: both sides are told so, in words (see Limits.unsent)."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from relays import TcpRelay, UdpRelay, lose_once
from world import Recorder, World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

OVERLOADED = DisconnectReason.OVERLOADED
TWO_MB = 2_000_000


class Pours(Recorder):
    """Sends two megabytes at once."""

    size = 10_000

    def on_connect(self) -> None:
        super().on_connect()
        for _ in range(TWO_MB // self.size):
            self.connection.net_echo("x" * self.size)


class PoursBig(Pours):
    size = 60_000


def check(caplog: pytest.LogCaptureFixture, sender: Any, receiver: Any, who: str) -> None:
    assert sender.reason.code == receiver.reason.code == OVERLOADED
    sent = re.match(r"(\d+) bytes were sent faster than the other end took them", sender.reason.text)
    told = re.fullmatch(rf"the {who} sent ([\d,]+) bytes faster than they could arrive", receiver.reason.text)
    assert sent and told and int(sent[1]) == int(told[1].replace(",", "")) > 1_000_000
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and sender.reason.text in warnings[0]


@pytest.mark.parametrize("pours", [Pours, PoursBig])
def test_a_server_that_pours_into_on_connect(
    world: World, caplog: pytest.LogCaptureFixture, pours: type[Pours]
) -> None:
    server = world.server(handler=pours)
    bob = world.client(message_factory=server.message_factory)
    alice = world.connect(server, client=bob)
    world.until(lambda: server.made and server.made[0].ended and alice.handler.ended)
    check(caplog, server.made[0].connection, alice, "server")
    assert alice.handler.calls[-1] == "on_disconnect"


@pytest.mark.parametrize("pours", [Pours, PoursBig])
def test_a_client_that_pours_into_on_connect(
    world: World, caplog: pytest.LogCaptureFixture, pours: type[Pours]
) -> None:
    server = world.server()
    alice = world.connect(server, pours())
    world.until(lambda: server.made and server.made[0].ended and alice.handler.ended)
    check(caplog, alice, server.made[0].connection, "client")


@pytest.mark.parametrize("lost", [b"faster than", b"x" * 500])
def test_it_is_told_on_a_bad_line(wire_world: World, caplog: pytest.LogCaptureFixture, lost: bytes) -> None:
    world = wire_world
    server = world.server(handler=Pours)
    if world.network == "enet":
        relay: Any = UdpRelay(server.address, delay=0.05, loss=0.05, drop=lose_once(lost, to_server=False))
    else:
        relay = TcpRelay(server.address, delay=0.05, rate=300_000)
    world.add(relay, relay.pump)
    alice = world.connect(relay.address, message_factory=server.message_factory)
    world.until(lambda: server.made and server.made[0].ended and alice.handler.ended)
    check(caplog, server.made[0].connection, alice, "server")


def test_who_does_not_read_is_left(wire_world: World) -> None:
    world = wire_world
    server = world.server(limits=Limits(close_time=0.3))
    alice = world.join(server)
    world.pumps.remove(alice.client.update)
    while alice.there.net_echo("x" * 60_000):
        server.update()
    world.until(lambda: server.made[0].ended)
    assert server.made[0].connection.reason.code == OVERLOADED


def test_messages_that_wait_for_a_slow_line_come_before_a_usual_goodbye(wire_world: World) -> None:
    factory = MessageFactory("json")
    factory.register("echo", ("text",))
    server = wire_world.server(message_factory=factory)
    alice = wire_world.join(server)
    for number in range(15):
        alice.there.net_echo(f"{number:60000}")
    alice.there.disconnect()
    wire_world.until(lambda: alice.handler.ended)
    assert [int(message.text) for message in alice.handler.messages] == list(range(15))
