"""Tests of game.py without a network: both ends in this process, and a clock that we turn. Run them with: pytest"""

import pytest
from game import SECONDS, GameServer, messages

import pygnetic as net


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Memory(net.Handler):
    """A player who remembers what the server said."""

    def __init__(self):
        self.heard = []

    def net_answer(self, message):
        self.heard.append(message.text)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    with GameServer(n_adapter='memory', clock=clock) as server:  # this clock is the library's ...
        server.now = clock  # ... and this the game's: the same
        server.begin()
        server.secret = 42
        yield server


@pytest.fixture
def player(server, clock):
    with net.Client(n_adapter='memory', clock=clock, message_factory=messages) as client:
        player = Memory()
        client.connect(*server.address).add_handler(player)
        player.client = client
        pump(server, player)
        yield player


def pump(server, *players):
    """Let everything that was sent arrive. On the memory adapter three rounds are plenty; nothing ever waits."""
    for _ in range(3):
        for player in players:
            player.client.update()
        server.tick()


def test_hints(server, player):
    for number in (50, 20):
        player.connection.net_guess(number)
    pump(server, player)
    assert player.heard == ['lower', 'higher']


def test_found(server, player):
    player.connection.net_guess(42)
    pump(server, player)
    assert player.heard == ['1 has found it']


def test_time_is_up(server, player, clock):
    clock.now += SECONDS - 1
    pump(server, player)
    assert player.heard == []
    clock.now += 2  # half a minute, and the test took a millisecond
    pump(server, player)
    assert player.heard == ['time is up']


def test_a_player_who_says_nothing_for_long_is_gone(server, player, clock):
    for _ in range(11):  # a second at a time: a clock that jumps looks as if the server itself had slept
        clock.now += 1
        server.tick()  # and only the server: the player's program hangs
    assert server.connections() == []
