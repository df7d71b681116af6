"""Graphs of what the network does, painted into a pygame window: round trips, losses, traffic."""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pygnetic._core.samples import SECOND, ConnectionSource, Sample, ServerSource, Source

__all__ = ["NetGraph"]

# Seconds between two samples. Round trips are measured once a second, traffic changes faster.
_INTERVAL = 0.25
# Samples that are kept: four minutes, and more than any graph shows.
_SAMPLES = 1000
# After a pause of more samples than this, the graph has a gap; after a shorter one it repeats the last sample.
_BRIDGED = 8
# Readable without covering the game.
_SIZE = 320, 120

_BACKGROUND, _GRAPH, _GRID, _TEXT, _FAINT = "#16181d", "#22262e", "#343a45", "#f0f0f0", "#8a919e"
_IN, _OUT = "#7ee787", "#79c0ff"


class _Row(NamedTuple):
    """One of the graphs."""

    label: str
    unit: str
    colour: str
    fill: str
    least: float  # what the top of the graph stands for, at least


_ROWS = (
    _Row("rtt", "ms", "#f2cc60", "#4b432c", 20),
    _Row("jitter", "ms", "#ffa657", "#4b3a2b", 10),
    _Row("loss", "%", "#ff7b72", "#4b2f30", 10),
    _Row("in", "B/s", _IN, "#2b4633", 1000),
    _Row("out", "B/s", _OUT, "#2a3d4f", 1000),
)


class NetGraph:
    """Paints graphs of a connection, or of a server's connections together, into a pygame window.

    From above: round-trip time, jitter, loss, and traffic each way, with the newest at the right. Beside them stand
    the messages that take the most traffic, or, of a server, the worst of its peers; a server's round-trip time,
    jitter and loss are those of its worst peers, its traffic is that of all.

    :param connection_or_server: a :class:`~pygnetic.connection.Connection`, a :class:`~pygnetic.server.Server`, or a
        handler's proxy of one.
    :raises ImportError: neither pygame nor pygame-ce is installed.

    ::

        graph = NetGraph(connection)
        while running:
            client.update()
            ...
            graph.draw(screen)
    """

    def __init__(self, connection_or_server: object) -> None:
        try:
            import pygame
        except ModuleNotFoundError as error:
            if error.name != "pygame":  # it is there, and says itself what it lacks
                raise
            raise ImportError("the net graph needs pygame: pip install pygame-ce (or pygame)") from error
        self._pygame: Any = pygame
        self._source: Source
        if hasattr(connection_or_server, "connections"):
            self._source = ServerSource(connection_or_server)
        elif hasattr(connection_or_server, "stats"):
            self._source = ConnectionSource(connection_or_server)
        else:
            raise TypeError(f"NetGraph() takes a Connection or a Server, not {connection_or_server!r}")
        self._clock = self._source.clock
        self._due = self._read_at = self._clock()
        self._history: deque[tuple[float, ...] | None] = deque(maxlen=_SAMPLES)
        self._sample: Sample = self._source.read(_INTERVAL)
        self._panel: Any = None
        self._background: Any = None
        self._font: Any = None
        self._painted = False  # the panel shows the last sample
        self._texts: dict[tuple[str, str], Any] = {}

    def update(self) -> None:
        """Take a sample, if it is time; ``draw()`` does it too.

        Call it once a frame while the graph is hidden, and it has its history when it is shown.
        """
        now = self._clock()
        passed = int((now - self._due) / _INTERVAL)
        if passed < 1:
            return
        self._due += passed * _INTERVAL
        self._sample = self._source.read(now - self._read_at)
        self._read_at = now
        missed = self._sample.values if passed <= _BRIDGED else None
        self._history.extend([missed] * min(passed - 1, _SAMPLES))
        self._history.append(self._sample.values)
        self._painted = False

    def draw(self, surface: Any, rect: Any = None) -> None:
        """Paint the graphs; call it once a frame.

        :param surface: the window, or any other surface.
        :param rect: where; by default 320 x 120 pixels in the lower right corner. It is readable from that size on.
            Another size than last time takes some milliseconds: make a NetGraph for each.
        """
        self.update()
        if rect is None:
            whole = surface.get_rect()
            rect = self._pygame.Rect((0, 0), (min(_SIZE[0], whole.width), min(_SIZE[1], whole.height)))
            rect.bottomright = whole.bottomright
        rect = self._pygame.Rect(rect)
        if rect.width < 1 or rect.height < 1:
            return
        if self._panel is None or self._panel.get_size() != rect.size:
            self._resize(rect.size)
        if not self._painted:
            self._paint()
        surface.blit(self._panel, rect.topleft)

    # -- painting: between two samples a frame costs one blit

    def _resize(self, size: tuple[int, int]) -> None:
        """Lay everything out for a size, and paint what never changes."""
        pygame = self._pygame
        pygame.font.init()
        width, height = size
        letters = max(16, min(24, height * 16 // _SIZE[1]))
        zoom = letters / 16
        self._font = pygame.font.Font(None, letters)
        self._texts.clear()
        self._edge = round(6 * zoom)
        self._header = round(4 * zoom)
        top, left, right = round(18 * zoom), round(118 * zoom), width - self._edge
        self._values_right = left - 6 - self._font.size("500M")[0]
        self._table_left = right - max(round(self._source.width * zoom), width * 3 // 10)
        if self._table_left - left < 50 * zoom:  # too narrow for both
            self._table_left = width
        pitch = max(1, (height - top - 2) // len(_ROWS))
        graph_right = min(right, self._table_left - round(10 * zoom))
        self._rows = range(top, top + pitch * len(_ROWS), pitch)
        self._graphs = [
            pygame.Rect(left, y, max(0, graph_right - left), max(1, pitch - max(2, pitch // 8))) for y in self._rows
        ]
        self._step = max(1, self._graphs[0].width // 150)  # pixels for a sample
        self._panel = pygame.Surface(size, 0, 32)
        self._panel.set_alpha(235)
        self._background = pygame.Surface(size, 0, 32)
        self._background.fill(_BACKGROUND)
        for row, graph in zip(_ROWS, self._graphs, strict=True):
            self._background.fill(_GRAPH, graph)
            self._write(self._background, row.label, self._edge, graph.centery, _FAINT, "midleft")
        seconds = self._graphs[0].width // self._step * _INTERVAL
        self._write(self._background, f"{seconds:.0f} s", graph_right, self._header, _FAINT, "topright")
        self._title_width = graph_right - self._font.size(f"{seconds:.0f} s")[0] - 2 * self._edge
        self._write_cells(self._background, self._source.headings, self._header, _FAINT)
        self._painted = False

    def _paint(self) -> None:
        self._painted = True
        self._panel.blit(self._background, (0, 0))
        title = self._cut(self._sample.title, self._title_width)
        self._write(self._panel, title, self._edge, self._header, _TEXT, "topleft")
        shown = self._graphs[0].width // self._step
        history = list(self._history)[-shown:] if shown else []
        for number, (row, graph) in enumerate(zip(_ROWS, self._graphs, strict=True)):
            latest = [sample[number] for sample in list(self._history)[-SECOND:] if sample]
            value = sum(latest) / len(latest) if latest and row.unit == "B/s" else self._sample.values[number]
            text = _with_unit(value, row.unit)
            self._write(self._panel, text, self._values_right, graph.centery, row.colour, "midright")
            if history:
                self._plot(row, graph, [None if sample is None else sample[number] for sample in history])
        for y, graph, cells in zip(self._rows, self._graphs, self._sample.table, strict=False):
            self._write_cells(self._panel, cells, y + (graph.height - self._font.get_height()) // 2, _TEXT)

    def _plot(self, row: _Row, graph: Any, values: list[float | None]) -> None:
        draw = self._pygame.draw
        scale = _round_up(max([row.least, *(value for value in values if value is not None)]))
        draw.line(self._panel, _GRID, (graph.left, graph.centery), (graph.right - 1, graph.centery))
        for points in self._runs(graph, values, scale):
            bottom = graph.bottom - 1
            draw.polygon(self._panel, row.fill, [(points[0][0], bottom), *points, (points[-1][0], bottom)])
            draw.lines(self._panel, row.colour, False, points)
        self._write(self._panel, _with_prefix(scale), graph.left - 3, graph.top, _FAINT, "topright")

    def _runs(self, graph: Any, values: list[float | None], scale: float) -> Iterator[list[tuple[int, int]]]:
        """The points of each stretch without a gap."""
        points: list[tuple[int, int]] = []
        x = graph.right - 1 - (len(values) - 1) * self._step
        for value in values:
            if value is not None:
                points.append((x, graph.bottom - 1 - round(value / scale * (graph.height - 1))))
            elif points:
                yield points * 2 if len(points) == 1 else points  # a line needs two
                points = []
            x += self._step
        if points:
            yield points * 2 if len(points) == 1 else points

    def _write_cells(self, surface: object, cells: tuple[str, ...], y: int, colour: str) -> None:
        """Write a line of the table: the first cell to the left, cut where the others begin at the right."""
        x = self._panel.get_width() - self._edge
        column = self._font.size("000.0")[0]
        if self._table_left >= x:
            return
        for cell in reversed(cells[1:]):
            self._write(surface, cell, x, y, colour, "topright")
            x -= max(column, self._font.size(cell)[0] + self._edge)
        name, left = cells[0], self._table_left
        if name[:1] in ("<", ">"):
            self._arrow(surface, left, y + self._font.get_height() // 2, name[0])
            name, left = name[1:], left + self._font.get_height()
        if self._font.size(name)[0] > x - left:
            name = name.partition(" ")[0]  # half an address would be a wrong one
        self._write(surface, self._cut(name, x - left), left, y, colour, "topleft")

    def _cut(self, text: str, width: int) -> str:
        if self._font.size(text)[0] <= width:
            return text
        while text and self._font.size(text + "…")[0] > width:
            text = text[:-1]
        return text and text + "…"

    def _arrow(self, surface: object, x: int, y: int, way: str) -> None:
        size = self._font.get_height() // 4
        tip, back = (y + size, y - size) if way == "<" else (y - size, y + size)  # in: down to us; out: up
        corners = [(x, back), (x + 2 * size, back), (x + size, tip)]
        self._pygame.draw.polygon(surface, _IN if way == "<" else _OUT, corners)

    def _write(self, surface: Any, text: str, x: int, y: int, colour: str, corner: str) -> None:
        image = self._texts.get((text, colour))
        if image is None:
            if len(self._texts) >= 500:  # numbers change for ever
                self._texts.clear()
            image = self._texts[text, colour] = self._font.render(text, True, colour)
        surface.blit(image, image.get_rect(**{corner: (x, y)}))


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, ..."""
    power = 1.0
    while value > power * 10:
        power *= 10
    return next(power * digit for digit in (1, 2, 5, 10) if value <= power * digit)


def _with_unit(value: float, unit: str) -> str:
    prefix = ""
    if unit == "B/s":
        value, prefix = _scaled(value)
    digits = 1 if value < 99.95 and prefix + unit != "B/s" and value != int(value) else 0
    return f"{value:.{digits}f} {prefix}{unit}"


def _with_prefix(value: float) -> str:
    value, prefix = _scaled(value)
    return f"{value:.0f}{prefix}"


def _scaled(value: float) -> tuple[float, str]:
    for prefix in ("", "k", "M"):
        if value < 999.5:
            return value, prefix
        value /= 1000
    return value, "G"
