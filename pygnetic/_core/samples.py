"""What a net graph shows of a connection or a server, a sample at a time."""

from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from pygnetic.network.base import written
from pygnetic.stats import Stats

__all__: list[str] = []

# The values of a sample, and the lines of its table.
LINES = 5
# Rates are means over this many samples, a second: what changes four times a second cannot be read.
SECOND = 4


class Sample(NamedTuple):
    """What is known at one moment: a number for each row, and the lines of the table beside them."""

    values: tuple[float, ...]
    table: list[tuple[str, ...]]  # cells of a line; the first begins with "<" (in) or ">" (out), or is plain
    title: str


class Source(Protocol):
    """Where a net graph reads samples."""

    #: Seconds, monotonic.
    clock: Callable[[], float]
    #: Of the two columns of the table.
    headings: tuple[str, ...]
    #: Of the table, in pixels.
    width: int

    def read(self, seconds: float) -> Sample:
        """Return a sample; ``seconds`` since the last one."""


class ConnectionSource:
    """Reads one connection."""

    headings: tuple[str, ...] = ("messages", "kB/s")
    width = 112  # of the table, in pixels

    def __init__(self, connection: Any) -> None:
        self._connection = connection.disconnect.__self__  # a handler has a proxy, and this is what it stands for
        self.clock = connection.parent._loop.clock
        self._before = connection.data_received, connection.data_sent
        self._bytes: deque[tuple[float, dict[str, int]]] = deque(maxlen=SECOND + 1)

    def read(self, seconds: float) -> Sample:
        """:param seconds: since the last time."""
        connection = self._connection
        stats = connection.stats
        now = stats.bytes_received, stats.bytes_sent
        rates = [(total - before) / seconds for total, before in zip(now, self._before, strict=True)]
        self._before = now
        title = written(connection.address)
        if not connection.connected:
            title += " (closed)" if connection.reason else " ..."
        values = (stats.rtt, stats.jitter, stats.loss * 100, *rates)
        return Sample(values, self._table(seconds, stats), title)

    def _table(self, seconds: float, stats: Stats) -> list[tuple[str, ...]]:
        """Who made the traffic of the last second."""
        totals = {"<" + name: traffic.bytes for name, traffic in stats.received.items()}
        totals.update((">" + name, traffic.bytes) for name, traffic in stats.sent.items())
        self._bytes.append((seconds, totals))
        before = self._bytes[0][1]
        spent = sum(since for since, _ in list(self._bytes)[1:]) or seconds
        rates = {name: (total - before.get(name, 0)) / spent for name, total in totals.items()}
        top = sorted(totals, key=lambda name: (-rates[name], -totals[name]))
        return [(name, short(rates[name] / 1000)) for name in top[:LINES]]


class ServerSource:
    """Reads all connections of a server; little of each, since there can be hundreds."""

    headings: tuple[str, ...] = ("worst peers", "ms", "lost")
    width = 136

    def __init__(self, server: Any) -> None:
        self._connections = server.connections  # a bound method, even of a handler's proxy
        self._port = server.address[1]
        self.clock = server._loop.clock
        self._before: dict[int, tuple[int, int]] = {c.id: (c.data_received, c.data_sent) for c in self._connections()}

    def read(self, seconds: float) -> Sample:
        """:param seconds: since the last time."""
        peers = []
        totals = {}
        received = sent = 0
        for connection in self._connections():
            meter, now = connection._session.meter, (connection.data_received, connection.data_sent)
            before = self._before.get(connection.id, (0, 0))
            totals[connection.id] = now
            received += now[0] - before[0]
            sent += now[1] - before[1]
            loss = meter.loss
            # 1 % lost is as bad as 10 ms
            badness = meter.rtt + meter.jitter + 1000 * loss
            peers.append((badness, connection.id, meter.rtt, meter.jitter, loss * 100, connection))
        self._before = totals
        worst = [max(map(itemgetter(column), peers), default=0.0) for column in (2, 3, 4)]
        peers.sort(key=itemgetter(0, 1), reverse=True)
        table: list[tuple[str, ...]] = [
            (f"#{number} {connection.address[0]}", short(rtt), f"{loss:.0f}%")
            for _, number, rtt, _, loss, connection in peers[:LINES]
        ]
        title = f":{self._port}  {len(peers)} client" + "s" * (len(peers) != 1)
        return Sample((*worst, received / seconds, sent / seconds), table, title)


def short(value: float) -> str:
    """Return a number in at most five letters."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
