"""The net graph draws what is known: a history is fed, and pixels and texts are looked at."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

import pytest
from memory_pair import Pair

import pygnetic as net
from pygnetic.message import MessageFactory
from pygnetic.netgraph import NetGraph
from pygnetic.stats import Meter

pygame = pytest.importorskip("pygame")

LEFT, RIGHT = 118, 192  # of the graphs at 320 x 120: the newest sample is at RIGHT - 1
ROWS = {"rtt": 18, "jitter": 38, "loss": 58, "in": 78, "out": 98}  # where each graph begins; it is 18 pixels high
HEIGHT = 18
COLOURS = {"rtt": "#f2cc60", "jitter": "#ffa657", "loss": "#ff7b72", "in": "#7ee787", "out": "#79c0ff"}
FILLS = {"rtt": "#4b432c", "jitter": "#4b3a2b", "loss": "#4b2f30", "in": "#2b4633", "out": "#2a3d4f"}
EMPTY, GRID = "#22262e", "#343a45"


class Written(NetGraph):
    """Remembers what it writes, and where."""

    def __init__(self, *args: Any) -> None:
        self.written: dict[str, Any] = {}
        super().__init__(*args)

    def _write(self, surface: Any, text: str, x: int, y: int, colour: str, corner: str) -> None:
        super()._write(surface, text, x, y, colour, corner)
        self.written[text] = self._texts[text, colour].get_rect(**{corner: (x, y)})

    def shown(self) -> dict[str, Any]:
        """Return what it writes now, beside what never changes."""
        self.written.clear()
        self._painted = False
        self.draw(pygame.Surface((320, 120)))
        return self.written


def messages() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("move", ("x",))
    factory.register("state", ("rows",))
    return factory


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair(messages(), net.Handler) as made:
        made.open()
        made.connection._session.meter = Meter(made.clock.now)  # forgets the first PING
        yield made


def ping(connection: Any, second: int, now: float, rtt: float | None) -> None:
    """Have a PING sent at a second answered after so many ms, or never."""
    meter, stats = connection._session.meter, connection.stats
    meter.pinged(second)
    meter.measure(now, (stats.bytes_sent, stats.bytes_received, stats.messages_sent, stats.messages_received))
    if rtt is not None:
        meter.answered(second, rtt)


def feed(pair: Pair, graph: NetGraph, round_trips: list[float | None], first: int = 0) -> None:
    """Pass a second for each round trip, drawing sixteen frames."""
    for number, rtt in enumerate(round_trips, first):
        ping(pair.connection, number, pair.clock.now, rtt)
        for _ in range(16):
            pair.clock.now += 1 / 16
            graph.draw(pygame.Surface((1, 1)))


def painted(graph: NetGraph, size: tuple[int, int] = (320, 120)) -> Any:
    surface = pygame.Surface(size)
    graph.draw(surface, surface.get_rect())
    graph._panel.set_alpha(None)  # the colours as they are in the panel
    graph.draw(surface, surface.get_rect())
    return surface


def at(surface: Any, x: int, y: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*surface.get_at((x, y))[:3])


def height_of(surface: Any, row: str, x: int) -> int | None:
    """How high the line of a graph is at x: 0 is its lowest pixel, None is no line."""
    bottom = ROWS[row] + HEIGHT - 1
    found = [bottom - y for y in range(ROWS[row], bottom + 1) if at(surface, x, y) == COLOURS[row]]
    return max(found) if found else None


def test_a_known_history_is_drawn_where_it_belongs(pair: Pair) -> None:
    graph = Written(pair.connection)
    feed(pair, graph, [20, 20, 80, 80, 20])  # ms, a second each: four pixels; the scale becomes 100
    surface = painted(graph)
    line = [height_of(surface, "rtt", RIGHT - 1 - back) for back in range(21)]
    low, high = round(0.2 * (HEIGHT - 1)), round(0.8 * (HEIGHT - 1))
    assert line[:3] == [low] * 3
    assert line[4:11] == [high] * 7
    assert line[13:20] == [low] * 7
    assert line[20] is None, "nothing was known before"
    assert at(surface, RIGHT - 3, ROWS["rtt"] + HEIGHT - 1) == FILLS["rtt"], "the ground below the line is filled"
    assert at(surface, RIGHT - 6, ROWS["rtt"]) == EMPTY, "and above it is nothing"
    assert at(surface, LEFT, ROWS["rtt"]) == EMPTY
    assert at(surface, LEFT, ROWS["rtt"] + HEIGHT // 2) == GRID
    assert at(surface, RIGHT, ROWS["rtt"] + 2) == at(surface, LEFT - 1, ROWS["rtt"] + HEIGHT - 1) == "#16181d"
    assert "20 ms" in graph.written and "100" in graph.written
    assert graph.written["100"].right <= LEFT, "what the top of the graph stands for"


def test_it_scrolls_a_pixel_in_a_quarter_of_a_second(pair: Pair) -> None:
    graph = NetGraph(pair.connection)
    feed(pair, graph, [20, 80, 80, 20, 20, 20, 20])
    assert height_of(painted(graph), "rtt", RIGHT - 1 - 16) == round(0.8 * (HEIGHT - 1))
    before = painted(graph)
    pair.clock.now += 0.2499
    assert painted(graph).get_view("2").raw == before.get_view("2").raw, "a sample at a time, however many frames"
    pair.clock.now += 0.0002
    after = painted(graph)
    rows = [height_of(before, "rtt", x) for x in range(LEFT + 1, RIGHT)]
    assert rows == [height_of(after, "rtt", x) for x in range(LEFT, RIGHT - 1)]


def test_losses_and_jitter(pair: Pair) -> None:
    graph = Written(pair.connection)
    feed(pair, graph, [10, 26, None, 26, 26])  # one of four has failed; the newest does not count yet
    surface = painted(graph)
    stats = pair.connection.stats
    assert stats.loss == 0.25 and 0 < stats.jitter < 1
    assert {"25 %", f"{stats.jitter:.1f} ms", "26 ms"} <= set(graph.written)
    assert height_of(surface, "loss", RIGHT - 2) == round(0.25 / 0.5 * (HEIGHT - 1))
    assert height_of(surface, "loss", RIGHT - 13) == 0
    assert height_of(surface, "jitter", RIGHT - 2) == round(stats.jitter / 10 * (HEIGHT - 1))


def test_traffic_each_way_and_by_message(pair: Pair) -> None:
    graph = Written(pair.connection)
    for _ in range(8):  # a quarter of a second each
        pair.connection.net_move(1)
        for _ in range(2):
            pair.remote.net_state("x" * 500)
        pair.server.update()
        pair.update()
        pair.clock.now += 0.25
        graph.update()
    shown = graph.shown()
    sent, received = pair.connection.data_sent, pair.connection.data_received
    assert sent / 2 == 4 * len("[1,1]") and received / 2 > 4000
    assert f"{sent / 2:.0f} B/s" in shown and f"{received / 2000:.1f} kB/s" in shown
    surface = painted(graph)
    assert height_of(surface, "in", RIGHT - 1) == round(received / 2 / 5000 * (HEIGHT - 1)), "of 5 kB/s"
    assert height_of(surface, "out", RIGHT - 1) == round(sent / 2 / 1000 * (HEIGHT - 1)), "of 1 kB/s"
    kilobytes = {"state": f"{received / 2000:.2f}", "move": f"{sent / 2000:.2f}"}
    for number, (name, rate) in enumerate(kilobytes.items()):
        assert shown[name].left > RIGHT and shown[name].right < shown[rate].left
        assert shown[rate].right == 320 - 6
        assert shown[name].centery == pytest.approx(ROWS["rtt"] + 20 * number + HEIGHT // 2, abs=1)
    text = shown["state"]
    assert any(at(surface, x, text.centery) == "#f0f0f0" for x in range(text.left, text.right)), "it is really there"
    for _ in range(8):
        pair.clock.now += 0.25
        graph.update()
    assert {"0 B/s", "0.00", "state", "move"} <= set(graph.shown()), "what was sent stays, its rate falls"


def test_rates_are_written_as_means_of_a_second(pair: Pair) -> None:
    graph = Written(pair.connection)
    for number in range(8):
        if number % 2:
            pair.connection.net_move("x" * 494)  # 500 bytes
        pair.client.update()
        pair.clock.now += 0.25
        graph.update()
        if number > 3:
            assert "1 kB/s" in graph.shown()
    surface = painted(graph)
    assert height_of(surface, "out", RIGHT - 1) == HEIGHT - 1
    assert at(surface, RIGHT - 2, ROWS["out"] + HEIGHT - 1) == COLOURS["out"]


def test_a_pause_is_a_gap(pair: Pair) -> None:
    graph = NetGraph(pair.connection)
    feed(pair, graph, [15, 15, 15])
    pair.clock.now += 5.0  # nobody called update(): hidden, or a breakpoint
    surface = painted(graph)
    high = round(15 / 20 * (HEIGHT - 1))
    line = [height_of(surface, "rtt", RIGHT - 1 - back) for back in range(26)]
    assert line == [high] + [None] * 19 + [high] * 6
    pair.clock.now += 1.9  # a slow frame is none
    surface = painted(graph)
    assert [height_of(surface, "rtt", RIGHT - 1 - back) for back in range(9)] == [high] * 8 + [None]
    pair.clock.now += 1e6
    assert height_of(painted(graph), "rtt", RIGHT - 2) is None


def test_what_it_is_and_whether_it_is_connected(pair: Pair) -> None:
    graph = Written(pair.connection)
    [title] = [text for text in graph.shown() if re.fullmatch(r"localhost:\d+", text)]
    pair.remote.disconnect()
    pair.update(3)
    pair.client.close()
    pair.clock.now += 1
    assert f"{title} (closed)" in graph.shown()


def test_everything_is_labelled_and_inside(pair: Pair) -> None:
    graph = Written(pair.connection)
    graph.draw(pygame.Surface((320, 120)))
    assert {*ROWS, "18 s", "messages", "kB/s", "0 ms", "0 %", "0 B/s"} <= set(graph.written)
    for text, place in graph.written.items():
        assert pygame.Rect(0, 0, 320, 120).contains(place), text
    for label, top in ROWS.items():
        assert graph.written[label].centery == top + HEIGHT // 2


@pytest.mark.parametrize("size", [(320, 120), (640, 240), (940, 130), (300, 400), (200, 100), (90, 30), (5, 5), (1, 1)])
@pytest.mark.parametrize("rate", [5, 150_000, 150_000_000])
def test_sizes(pair: Pair, size: tuple[int, int], rate: int) -> None:
    pair.connection._peer.address = "europe-west-1.games.example.org", 10000
    graph = Written(pair.connection)
    feed(pair, graph, [20, 8888.8])
    for _ in range(8):
        pair.connection._outbox.data_sent += rate // 4
        pair.connection._inbox.data_received += rate // 4
        pair.clock.now += 0.25
        graph.update()
    surface = pygame.Surface((1000, 500))
    surface.fill("#ff00ff")
    graph.written.clear()
    graph.draw(surface, (20, 30, *size))
    assert at(surface, 19, 30) == at(surface, 20, 29) == "#ff00ff"
    assert at(surface, 20 + size[0], 30) == at(surface, 20, 30 + size[1]) == "#ff00ff"
    assert at(surface, 20, 30) != "#ff00ff"
    if size[0] >= 200:
        texts = [place for place in graph.written.values() if place.width]
        assert all(pygame.Rect((0, 0), size).contains(place) for place in texts)
        pairs = [(a, b) for a in texts for b in texts if a is not b and a.topleft != b.topleft]
        assert not any(a.inflate(-2, -2).colliderect(b.inflate(-2, -2)) for a, b in pairs), "no text covers another"


def test_no_rect_is_the_lower_right_corner(pair: Pair) -> None:
    surface = pygame.Surface((400, 300))
    surface.fill("#ff00ff")
    graph = NetGraph(pair.connection)
    graph.draw(surface)
    assert at(surface, 79, 299) == at(surface, 80, 179) == "#ff00ff"
    assert at(surface, 80, 180) != "#ff00ff" and at(surface, 399, 299) != "#ff00ff"
    graph.draw(surface, (10, 10, 0, 0))
    small = pygame.Surface((50, 50))
    graph.draw(small)
    assert graph._panel.get_size() == (50, 50), "not 320 x 120, of which the lower right part would be seen"


def test_what_is_cut_says_so() -> None:
    factory = MessageFactory("json")
    names = ["player_position_updated", "player_position_removed"]
    for name in names:
        factory.register(name, ("x",))
    with Pair(factory, net.Handler) as pair:
        pair.open()
        pair.connection.send(names[0], 1)
        pair.connection.send(names[1], 1)
        pair.update()
        pair.clock.now += 1
        cut = [text for text in Written(pair.connection).shown() if text.startswith("player")]
        assert len(cut) == 1 and cut[0].endswith("…")


def test_a_server_shows_totals_and_its_worst_peers() -> None:
    with Pair(messages(), net.Handler) as pair:
        pair.open()
        others = [net.Client(message_factory=pair.server.message_factory, **options_of(pair)) for _ in range(2)]
        for other in others:
            other.connect("localhost", pair.server.address[1])
        for _ in range(3):
            pair.update()
            for other in others:
                other.update()
        graph = Written(pair.server)
        for second, (connection, rtt) in enumerate(zip(pair.server.connections(), (12.0, 80.0, 30.0), strict=True)):
            ping(connection, second, pair.clock.now, rtt)
        for _ in range(4):
            pair.server.broadcast("state", "x" * 250)
            pair.server.update()
            pair.clock.now += 0.25
            graph.update()
        shown = graph.shown()
        port = pair.server.address[1]
        assert {f":{port}  3 clients", "80 ms"} <= set(shown)
        total = sum(connection.data_sent for connection in pair.server.connections())
        assert f"{total / 1000:.1f} kB/s" in shown, "together"
        rows = [next(text for text in shown if text.startswith(f"#{number} ")) for number in (2, 3, 1)]
        assert [shown[row].top for row in rows] == sorted(shown[row].top for row in rows), "the worst comes first"
        assert {"80.0", "30.0", "12.0"} <= set(shown)
        surface = painted(graph)
        right = 320 - 6 - 136 - 10
        assert height_of(surface, "rtt", right - 1) == round(80 / 100 * (HEIGHT - 1))

        others[0].close()  # who leaves takes nothing back
        pair.update()
        pair.clock.now += 0.25
        assert {f":{port}  2 clients", "0 B/s"} <= set(graph.shown())
        for other in others:
            other.close()


def options_of(pair: Pair) -> dict[str, Any]:
    return {"n_adapter": type(pair.client._adapter), "clock": pair.clock}


def test_what_a_handler_has_will_do() -> None:
    handler = net.Handler()
    with Pair(messages(), net.Handler, client_handler=handler) as pair:
        pair.open()
        NetGraph(handler.connection).draw(pygame.Surface((320, 120)))
        [remote] = pair.server.handlers()
        graph = NetGraph(remote.server)
        graph.draw(pygame.Surface((320, 120)))
    pair.clock.now += 1
    graph.draw(pygame.Surface((320, 120)))  # the server is closed: an empty graph, no error


def test_what_is_no_connection() -> None:
    with pytest.raises(TypeError, match=r"takes a Connection or a Server, not 'game\.org'"):
        NetGraph("game.org")
    with net.Client(message_factory=messages(), n_adapter="memory") as client, pytest.raises(TypeError):
        NetGraph(client)


def test_without_pygame(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def hidden(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pygame":
            raise ModuleNotFoundError(name, name=name)
        return really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(ImportError, match=re.escape("the net graph needs pygame: pip install pygame-ce (or pygame)")):
        NetGraph(pair.connection)


def test_texts_are_kept_but_not_for_ever(pair: Pair) -> None:
    graph = NetGraph(pair.connection)
    for number in range(700):
        ping(pair.connection, number, pair.clock.now, number + 0.5)
        pair.clock.now += 0.25
        graph.draw(pygame.Surface((320, 120)))
    assert len(graph._texts) <= 500
    assert len(graph._history) <= 1000
