"""Reversi: to the end, its rules, and seats that are kept for those whose connection broke."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import pytest
from programs import LOCAL
from tables import NAMES, Hands, Run, Table, kill, needs_examples, open_window, told

pytestmark = needs_examples


def test_reversi_to_the_end(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, blaise, clara = (table.join(name) for name in NAMES[:3])
    texts = told(clara)
    table.until(lambda: table.server.games and clara.turn == 0)
    assert clara.squares == ada.squares == blaise.squares == table.server.squares
    black, white = clara.squares.count(1), clara.squares.count(2)
    assert clara.text == (f"{'Ada' if black > white else 'Blaise'} wins {max(black, white)}:{min(black, white)}" if
                          black != white else "a draw")  # fmt: skip
    assert (ada.side, blaise.side, clara.side, clara.watching) == (1, 2, 0, 1)
    assert ada.done and blaise.done and not clara.done
    table.until(lambda: "a new game" in texts)
    table.until(lambda: texts[-1] == "")  # it said so, and the game went on


def test_reversi_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("reversi")
    victim = table.victim(run)
    key = table.until(lambda: table.server.chairs[0].key)
    ada, watcher = table.join("Ada"), table.join("Blaise")
    texts = told(watcher)
    table.until(lambda: watcher.squares.count(0) < 56)
    kill(victim)
    position = list(table.server.squares)
    assert victim.wait_for("--key ([0-9a-f]+)")[1] == key, "it was told"
    # it comes back before the server knows (UDP), or after (TCP); the game waited
    back = table.join("Victim", key)
    table.until(lambda: "Victim is back" in texts and back.side == 1)
    assert table.server.squares.count(0) >= position.count(0) - 4
    table.until(lambda: table.server.games)
    assert watcher.names == ["Victim", "Ada"] and watcher.side == 0 and ada.side == 2


def test_reversi_gives_the_seat_away_when_nobody_comes_back(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, _, clara = (table.join(name) for name in NAMES[:3])
    table.until(lambda: clara.squares.count(0) < 56)
    texts, key = told(clara), ada.key
    table.leave(ada)
    table.until(lambda: "Ada left; the seat is kept for 30 s" in texts)
    assert clara.away == [True, False]
    table.until(lambda: clara.side == 1)
    assert clara.names == ["Clara", "Blaise"]
    late = table.join("Ada", key, bot=False)
    late.side = 1  # as it was before its connection broke
    table.until(lambda: "Ada joined" in texts and late.names[0])
    assert (late.side, late.key) == (0, ""), "it is told that it has no seat any more"
    assert not late.can_move()
    table.until(lambda: table.server.games)


def test_reversi_tells_what_happened_until_the_next_move(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    table.until(lambda: ada.text == "Blaise joined" and ada.can_move())
    ada.link.net_move(19)
    table.until(lambda: blaise.can_move())
    assert blaise.text == ""
    clara = table.join("Clara", bot=False)
    table.until(lambda: blaise.text == "Clara joined" == clara.text)


def test_reversi_player_whose_connection_broke_comes_back(sit_down: Callable[[str], Table], wire_name: str) -> None:
    table = sit_down("reversi")
    table.keep_seats()
    ada, blaise = table.join("Ada"), table.join("Blaise")
    table.until(lambda: blaise.squares.count(0) < 56)
    first, key = ada.link, ada.key
    first._peer.abort()  # as if its cable was pulled out for a moment
    texts = told(blaise)
    table.until(lambda: ada.link is not first and "Ada is back" in texts)
    assert (ada.key, ada.side) == (key, 1)
    table.until(lambda: table.server.games)
    assert blaise.names == ["Ada", "Blaise"]


def test_reversi_does_not_hammer_at_a_server_that_breaks_each_connection(
    sit_down: Callable[[str], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sit_down("reversi")
    ada = table.join("Ada", bot=False)
    attempts: list[float] = []
    connect = ada.connect
    monkeypatch.setattr(ada, "connect", lambda *args: attempts.append(time.monotonic()) or connect(*args))
    for number in range(2):  # each time it had been welcome
        table.until(lambda: ada.key and ada.link.messages_received)
        broke, old = time.monotonic(), ada.link
        old._peer.abort()
        table.until(lambda o=old: ada.link is not o)
        assert len(attempts) == number + 1
        assert attempts[-1] - broke >= 1
    table.until(lambda: ada.link.connected)


def test_a_reversi_bot_does_not_go_home_before_it_has_tried_again(
    sit_down: Callable[[str], Table], run: Run, wire_name: str
) -> None:
    if wire_name == "enet":
        pytest.skip("over UDP it takes 10 s until the bot knows")
    table = sit_down("reversi")
    table.keep_seats()
    ada = table.join("Ada", bot=False)
    texts, program = told(ada), table.victim(run)
    table.until(lambda: table.server.chairs[1].guest)
    [link] = [c for c in table.server.connections() if c.id == table.seen()]
    link._peer.abort()
    table.until(lambda: "Victim is back" in texts)
    assert program.process.poll() is None


def test_reversi_gives_up_where_it_was_never_welcome(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    with socket.create_server((LOCAL, 0)) as listener:
        listener.setblocking(False)
        player, accepted = table.game["Player"]("Ada"), 0
        with table.game["stage"].Client(n_adapter="socket") as client:
            player.connect(client, listener.getsockname())
            patience = time.monotonic() + 1.5
            while time.monotonic() < patience:
                client.update(10)
                player.update()
                with contextlib.suppress(BlockingIOError):
                    listener.accept()[0].close()
                    accepted += 1
    assert player.link.reason
    assert accepted == 1


def test_reversi_rules(sit_down: Callable[[str], Table]) -> None:
    game = sit_down("reversi").game
    squares = [0] * 64
    squares[27] = squares[36] = 2
    squares[28] = squares[35] = 1
    assert game["moves"](squares, 1) == [19, 26, 37, 44]
    assert game["flips"](squares, 19, 1) == [27]
    assert game["flips"](squares, 28, 1) == game["flips"](squares, 0, 1) == []
    row = [0, 2, 2, 2, 2, 2, 2, 1] + [1] + [0] * 55
    assert game["flips"](row, 0, 1) == [1, 2, 3, 4, 5, 6]
    wrapped = [0] * 6 + [0, 2] + [1] + [0] * 55  # the next row does not go on where this one ends
    assert game["flips"](wrapped, 6, 1) == []


def test_reversi_by_hand(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    open_window(table, ada)
    table.until(lambda: ada.can_move())
    hands.click(3 * 60 + 30, 2 * 60 + 30)  # square 19
    table.until(lambda: blaise.can_move())
    assert (blaise.squares[19], blaise.squares[27], blaise.last) == (1, 1, 19)
    hands.click(4 * 60 + 30, 2 * 60 + 30)  # would be good for white, and it is white's turn
    for _ in range(5):
        table.pump()
    assert table.server.squares[20] == 0
