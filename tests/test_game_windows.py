"""The windows of all games: what they show, and that nothing that a server says stops them."""

from __future__ import annotations

import itertools
import runpy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from programs import EXAMPLES, LOCAL
from tables import SERVERS, Hands, Table, needs_examples, open_window

import pygnetic as net

pytestmark = needs_examples


@pytest.mark.parametrize("name", SERVERS)
def test_every_window_has_the_net_graph_and_an_end(
    sit_down: Callable[[str], Table], hands: Hands, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    table = sit_down(name)
    window = open_window(table, table.join("Ada", bot=False))
    drawn: list[Any] = []
    monkeypatch.setattr(window.graph, "draw", lambda *args: drawn.append(args))

    def graphs() -> int:
        """Return how many net graphs the next frame shows."""
        drawn.clear()
        window.update()
        return len(drawn)

    always = name == "lag_lab"  # underneath; a second one above the squares helps nobody
    assert graphs() == always
    hands.press(hands.pygame.K_F3)
    assert graphs() == 1
    hands.press(hands.pygame.K_F3)
    assert graphs() == always
    hands.press(hands.pygame.K_ESCAPE)
    table.until(lambda: not window.running)


@pytest.mark.parametrize("name", SERVERS)
def test_every_window_says_that_there_is_no_connection(
    sit_down: Callable[[str], Table], hands: Hands, name: str
) -> None:
    table = sit_down(name)
    client = table.game["stage"].Client(n_adapter=table.adapter)
    player = table.game["Player"]("Ada", *table.relay())
    player.connect(client, (table.relays[-1] if table.relays else table.server).address)
    window = open_window(table, player, hands)
    window.update()
    assert "connecting ..." in hands.read
    table.clients.append(client)
    table.until(lambda: hands.read and "connecting ..." not in hands.read)
    assert player.link.connected
    table.server.close()
    table.open = False
    table.until(lambda: player.link.reason)
    window.update()
    assert str(player.link.reason) in hands.read
    middle = tuple(window.screen.get_at((5, window.size[1] // 2)))
    assert middle == hands.pygame.Color(table.game["stage"].LINE)


# -- the windows, by hand

SENSIBLE: dict[str, dict[str, list[Any]]] = {  # what a server says
    "pong": {"you": [0], "match": [["Ada", "Blaise"], [1, 2], ["Clara"], "hi"], "state": [1, 2, [3, 4], [5, 6]]},
    "whiteboard": {
        "you": [1],
        "strokes": [[[1, 2, 3, [[4, 5]]]]],
        "people": [[[1, "Ada"], [2, "Blaise"]]],
        "pens": [[[2, 3, 4, 5]]],
    },
    "reversi": {"seat": [1, "key"], "board": [[0] * 64, 1, -1, ["Ada", "Blaise"], [False, False], 0, "hi"]},
    "lag_lab": {"places": [1000, [[1, 2], [3, 4], [5, 6]]]},
}

NONSENSE: list[Any] = [
    *(None, -(2**63), 2**63, 1e300, "", "\0\x1b[2J", "x" * 300, {"a": 1}, [], [[]], [[1]], [[1, 2]], [1, 2], [1, 2, 3]),
    *([["a", "b"]], [[1, [], 2, 3]], [[1, 2, 3, []]], [{}, {}], [None] * 3, ["\0", "\0\n"], [[2, "\0\n"]]),
    *([[1, 9, -9, [[1, 2]]]], [[1, 2, 3, [["a", 2]]]], [[-(2**62), 1, 2, 99]], [1e300, -1e300], [[1e300, -1e300]] * 3),
    *([1] * 65, [9] * 64, [-1] * 64, ["a"] * 64),
]


@pytest.mark.parametrize("name", SERVERS)
def test_nonsense_does_not_stop_a_window(
    sit_down: Callable[[str], Table], hands: Hands, name: str, wire_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sit_down(name)
    client = table.game["stage"].Client(n_adapter=wire_name)
    table.clients.append(client)
    relay = [SimpleNamespace(delay=0, loss=0)] if name == "lag_lab" else []
    player = table.game["Player"]("Ada", *relay)
    factory = net.message.message_factory
    with net.Server(LOCAL, 0, n_adapter=wire_name, handler=net.Handler) as server:

        def connect() -> None:
            player.connect(client, server.address)
            table.until(lambda: server.update() or player.link.connected)

        def say(kind: str, fields: list[Any]) -> None:
            """Let the server say it, and the player hear it; the window shows what comes of it."""
            before, tries = player.link.messages_received, itertools.count()

            def heard() -> bool:
                if next(tries) % 500 == 0:  # and again, since some of it is sent unreliably
                    server.connections()[-1].send(factory.get_by_name(kind), *fields)
                server.update()
                return player.link.reason or player.link.messages_received > before

            table.until(heard)
            player.play()
            window.update()

        connect()
        window = open_window(table, player, hands)
        table.clients.pop()
        left = 0
        for kind, sensible in SENSIBLE[name].items():
            for number in range(len(sensible)):
                for value in NONSENSE:
                    say(kind, [*sensible[:number], value, *sensible[number + 1 :]])
                    if player.link.reason:
                        assert "CLOSED: that message made no sense" in hands.read
                        left += 1
                        connect()
                say(kind, sensible)
                assert player.link.connected
    assert left >= len(NONSENSE) / 2
    assert "Traceback" in capsys.readouterr().err


def test_the_net_graph_is_of_the_connection_in_use(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    ada = table.join("Ada", bot=False)
    window = open_window(table, ada)
    table.pump()
    first = ada.link
    first._peer.abort()
    table.until(lambda: ada.link is not first and ada.link.connected)
    table.pump()
    assert window.graph._source._connection is ada.link


def test_the_arena_shows_the_net_graph(sit_down: Callable[[str], Table], hands: Hands, wire_name: str) -> None:
    table = sit_down("pong")  # for its server and the path: a window is all we need of the arena
    window_class = runpy.run_path(str(EXAMPLES / "arena_window.py"))["Window"]
    bot = type("Bot", (), {"coins": [], "rows": [], "places": {}, "lines": [], "me": None, "way": lambda self: (0, 0)})
    player = table.join("Ada", bot=False)
    player.link.net_steer = lambda dx, dy: None
    window = window_class(table.clients[0], player.link, bot(), (720, 480))
    window.draw()
    before = tuple(window.screen.get_at((12, 360)))
    hands.press(hands.pygame.K_F3)
    window.update(False)
    assert window.graph_shown
    assert tuple(window.screen.get_at((12, 360))) != before


@pytest.mark.parametrize("name", ["pong", "reversi", "lag_lab"])
def test_no_text_runs_into_another_or_over_the_edge(
    sit_down: Callable[[str], Table], hands: Hands, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sit_down(name)
    ada, tom = table.join("WWWWWWWWWWWW", bot=False), table.join("Tom Bombadil", bot=False)
    window = open_window(table, ada)
    texts: list[tuple[str, Any]] = []

    def noting(text: str, x: int, y: int, colour: str = "", corner: str = "topleft", size: int = 22, **_: Any) -> int:
        right = write(text, x, y, colour or "white", corner, size, **_)
        box = hands.pygame.font.Font(None, size).render(text, True, "white").get_rect(**{corner: (x, y)})
        if box.width > (most := _.get("width", box.width)):
            box.width = most
            setattr(box, corner, (x, y))
        texts.append((text, box))
        return right

    write = window.write
    monkeypatch.setattr(window, "write", noting)
    if name == "lag_lab":
        ada.set(60, 500, 50)  # the widest that can be set
        for trail in ada.trails:
            trail.extend([[(0, 0)] * 3, [(300, 300)] * 3])
    elif name == "pong":
        for _ in range(12):
            table.join("Goldberry Bb", bot=False)
        table.until(lambda: len(ada.waiting) == 12)
        ada.text = "Tom Bombadil beats Goldberry Bb 5:4"
    else:
        table.leave(tom)
        table.until(lambda: ada.text == "Tom Bombadil left; the seat is kept for 30 s")
    texts.clear()
    window.update()
    apart = [(text, box.inflate(8, 0)) for text, box in texts if text]
    assert len(apart) > 5
    for number, (text, box) in enumerate(apart):
        assert window.screen.get_rect().contains(box), text
        assert [other for other, there in apart[number + 1 :] if box.colliderect(there)] == [], text
    if name == "reversi":
        assert {"Tom Bombadil", "2 discs, away"} <= {text for text, _ in apart}


def test_a_window_shortens_what_is_too_wide(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    window = open_window(table, table.join("Ada", bot=False))
    narrow = window.write("WWWWWWWWWWWW", 10, 10, width=100)
    assert 60 < narrow - 10 <= 100
    assert window.write("short", 10, 10, width=100) == window.write("short", 10, 10)
