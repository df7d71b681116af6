"""Ctrl-C anywhere: a program that catches it and goes on loses nothing, gets nothing twice, and nothing is stuck."""

from __future__ import annotations

from typing import Any

import pytest
from interrupts import Interrupter, apart
from world import Recorder, World

_FILTER = "_enet_cookie.py", "_enet_walk.py", "_enet_window.py", "enet_filter.py"  # what reads each datagram
_MESSAGES = {"echo": ("text",), "note": ("text",)}
_LARGE = "x" * 30_000  # three of them do not fit into one packet


class Replying(Recorder):
    """Answers each echo with two messages, from inside its handler."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[Any, bool]] = []

    def on_connect(self) -> None:
        super().on_connect()
        self.say(self.connection.net_echo, "welcome")

    def net_echo(self, message: Any) -> None:
        self.messages.append(message)
        self.say(self.connection.net_note, f"{message.text} 1")
        self.say(self.connection.net_echo, f"{message.text} 2")

    def say(self, send: Any, text: str) -> None:
        """Send, and remember what was sent, and whether that is in doubt."""
        try:
            send(text)
        except KeyboardInterrupt:
            self.sent.append((text, True))
            raise
        self.sent.append((text, False))


class Exchange:
    """A server and players, of whom each sends and is answered; whatever is called may be interrupted."""

    def __init__(self, world: World, interrupt: Interrupter, each: int) -> None:
        self.world = world
        self.interrupt = interrupt
        self.each = each  # interrupts in a round
        self.left = 0
        self.factory = world.factory(**_MESSAGES)
        self.server = world.server(message_factory=self.factory, handler=Replying, conn_limit=8)
        self.client = world.client(message_factory=self.factory, conn_limit=2)
        self.number = 0
        self.sent: dict[Any, list[tuple[str, bool]]] = {}
        world.pumps[:] = [lambda: self.call(self.client.update), lambda: self.call(self.server.update)]
        self.alice, self.bob = self.join(self.client), self.join(self.client)

    def call(self, function: Any, *args: Any) -> tuple[bool, Any]:
        """Call a function, interrupted if a place is left for that."""
        if not self.interrupt.armed and self.interrupt.last and self.interrupt.last[0].endswith(_FILTER):
            self.left = 0  # it drops the datagram, which comes again after twice the time whenever it is dropped
        if not self.interrupt.armed and self.left:
            self.left -= 1
            self.interrupt.arm()
        return self.interrupt(function, *args)

    def join(self, client: Any) -> Any:
        known = len(self.server.made)
        connection = self.world.connect(self.server, Recorder(), client=client)
        self.sent[connection] = []
        self.world.until(lambda: connection.handler.calls[:1] == ["on_connect"] and len(self.server.made) > known)
        connection.made = self.server.made[-1]
        return connection

    def send(self, connection: Any, text: str) -> None:
        interrupted, accepted = self.call(connection.net_echo, text)
        assert interrupted or accepted is True
        self.sent[connection].append((text, interrupted))

    def round(self) -> None:
        """Somebody joins, all send and are answered, and the one who joined leaves."""
        self.number += 1
        self.left = self.each - 1
        self.interrupt.arm()
        client = self.world.client(message_factory=self.factory)
        self.world.pumps[-1] = lambda: self.call(client.update)
        carol = self.join(client)
        players = self.alice, self.bob, carol
        for count in range(3):
            for player in players:
                self.send(player, f"{self.number}.{count}")
        self.call(self.alice.flush)
        if self.number % 4 == 0:
            for count in range(3):
                self.send(self.bob, f"{self.number} {count} {_LARGE}")
        for player in players:
            self.send(player, f"{self.number} end")
        for player in players:
            self.world.until(lambda player=player: self.is_through(player))
        if self.call(carol.disconnect)[0]:
            carol.disconnect()
        self.world.until(lambda: carol.handler.ended and carol.made.ended)
        for player in players:
            self.check(player)
        self.call(client.close)
        client.close()
        del self.world.pumps[-1], self.sent[carol]
        self.world._closes.pop()

    def is_through(self, player: Any) -> bool:
        """Whether all that counts as sent has come, and the answers to it."""
        return all(len(messages) >= sum(not doubtful for _, doubtful in sent) for sent, messages in self.ways(player))

    def ways(self, player: Any) -> Any:
        """Return what was sent and what has come, in both directions."""
        return (self.sent[player], player.made.messages), (player.made.sent, player.handler.messages)

    def check(self, player: Any) -> None:
        place = self.interrupt.last
        for sent, messages in self.ways(player):
            got = [message.text for message in messages]
            assert got == [text for text, doubtful in sent if not doubtful or text in got], place
            sent.clear()
            messages.clear()
        for handler in player.handler, player.made:
            assert handler.calls[0] == "on_connect" and handler.calls.count("on_connect") == 1, place
        assert player.handler.ended == player.made.ended <= 1, place


def _interrupt_everywhere(world: World, event: str, visit: int, each: int, spared: tuple[str, ...] = ()) -> int:
    """Interrupt the exchange at all places, `each` of them in a round; return how many these were."""
    exchange = Exchange(world, Interrupter(event, visit, spared), each)
    quiet = 0
    while quiet < 8:
        before = len(exchange.interrupt.seen)
        exchange.round()
        quiet = quiet + 1 if len(exchange.interrupt.seen) == before else 0
    return len(exchange.interrupt.seen)


@pytest.mark.timeout(240)
def test_ctrl_c_at_each_line(world: World) -> None:
    # each line of the filter takes half a second, in which a datagram that was dropped comes again
    assert apart(_interrupt_everywhere, world, "line", 1, 8, _FILTER) > 400


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("event", "visit"), [("line", 2), ("opcode", 1), ("opcode", 3)])
def test_ctrl_c_at_each_line_and_opcode_whichever_time(world: World, event: str, visit: int) -> None:
    assert apart(_interrupt_everywhere, world, event, visit, 1) > 200
