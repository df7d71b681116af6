"""Bad networks for tests: relays that stand between a client and a server and lose, delay or cut what passes.

A client connects to `relay.address`, the relay talks to the server. Everything stays on 127.0.0.1: of `target` only the
port counts (so the address of a server bound to '' will do). Nothing happens outside `pump()`, which never waits:

    with UdpRelay(server.address, loss=0.05, seed=1) as relay:
        client.connect(*relay.address)
        pump_until(lambda: client.got, client.update, server.update, relay.pump)

Beside blocking code, `with relay.running():` pumps it in a thread. All times are seconds; the knobs (`relay.loss`,
`relay.delay`, ...) are attributes and may be changed at any time.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import inspect
import itertools
import os
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R", bound="_Relay")
Address = tuple[str, int]
Drop = Callable[[bytes, bool], bool]

HOST = "127.0.0.1"
HELD_BACK = 0.03  # s a reordered datagram waits: two frames of a 60 Hz game, far below ENet's first resend (500 ms)
BATCH = 1000  # datagrams read from one socket in one pump(), so that a flood cannot hold it
QUEUE = 10_000  # datagrams on their way; 64 KiB of bytes in TCP, after which the sender feels it
BUFFER = 64 * 1024
MAX_CLIENTS = 200  # two descriptors each at most, below the 512 that select() takes on Windows
RST_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER on, 0 s


def pump_until(condition: Callable[[], T], *pumps: Callable[[], object], timeout: float = 10.0) -> T:
    """Call every pump again and again until condition() is true, and return what it returned.

    AssertionError with the text of the condition after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not true after {timeout:g} s: {_text(condition)}")
        work = [pump() for pump in pumps]
        if not any(work):
            time.sleep(0.001)  # nobody reported work: leave the processor to the other process of a test
    return value


def _text(condition: Callable[[], object]) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    if name.endswith("<lambda>"):
        with contextlib.suppress(OSError):
            return inspect.getsource(condition).strip()
    return str(name)


def lose_once(needle: bytes, *, to_server: bool) -> Drop:
    """Make a `drop=` that loses the first datagram with these bytes in it, and lets it pass when it is sent again."""
    left = [1]

    def drop(datagram: bytes, to_server_now: bool) -> bool:
        return to_server_now == to_server and needle in datagram and bool(left) and bool(left.pop())

    return drop


@dataclass
class Counts:
    """What passed in one direction; a duplicated datagram is two forwarded ones."""

    forwarded: int = 0  # datagrams, or pieces of a TCP stream
    dropped: int = 0
    duplicated: int = 0
    bytes: int = 0  # forwarded ones


@dataclass(eq=False)
class _Relay:
    """What both relays share: a socket to listen on, the clock, counters, and the thread of running()."""

    target: tuple[Any, ...]
    _: KW_ONLY
    delay: float = 0.0  # each way, so a round trip takes it twice
    jitter: float = 0.0  # delay +- up to this
    seed: int = 0
    clock: Callable[[], float] = time.monotonic

    _kind = socket.SOCK_DGRAM

    def __post_init__(self) -> None:
        self.target = (HOST, self.target[1])
        self.to_server, self.to_client = Counts(), Counts()
        self._clients = itertools.count()
        self._closed = False
        self._lock = threading.RLock()  # reset() and close() may be called beside running()
        self._socket = _new_socket(self._kind)
        self._socket.bind((HOST, 0))
        self.address: Address = self._socket.getsockname()

    def pump(self) -> int:
        """Pass on everything that is due now, without waiting; the answer is how much there was to do."""
        with self._lock:
            return 0 if self._closed else self._pump()

    def _pump(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        """Close every socket; what was on its way is lost. May be called twice."""
        with self._lock:
            self._closed = True
            self._socket.close()

    def __enter__(self: R) -> R:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextlib.contextmanager
    def running(self: R) -> Iterator[R]:
        """Pump in a thread while the `with` block runs; an error of the thread is raised at the end of the block."""
        stop = threading.Event()
        errors: list[BaseException] = []

        def loop() -> None:
            try:
                while not stop.is_set():
                    if not self.pump():
                        time.sleep(0.001)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=loop, name=f"{type(self).__name__}.running", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()
            if errors:  # here, so that the block's own error (most likely: it waited in vain) names this as its reason
                raise errors[0]

    def _counts(self, to_server: bool) -> Counts:
        return self.to_server if to_server else self.to_client

    def _random(self, client: int, to_server: bool) -> random.Random:
        # One generator for each client and direction: the fate of its n-th datagram then does not depend on how the
        # scheduler mixed it with the others.
        return random.Random(f"{self.seed} {client} {to_server}")

    def _lag(self, rng: random.Random) -> float:
        return max(0.0, self.delay + rng.uniform(-self.jitter, self.jitter))


def _new_socket(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setblocking(False)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the kernel glues the pieces together
    # UDP: losing is the relay's decision, not that of a full kernel buffer. TCP: megabytes in the kernel would hide
    # from the sender that nobody reads. Accepted sockets inherit all of this.
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER if kind == socket.SOCK_STREAM else 1 << 20)
    return sock


@dataclass
class _Flow:
    """One client of a UdpRelay: the server sees each client at an address of its own."""

    client: Address
    socket: socket.socket
    random: dict[bool, random.Random]


@dataclass(eq=False)
class UdpRelay(_Relay):
    """A UDP network that loses, repeats, reorders and delays datagrams, the same ones each time for the same seed."""

    _: KW_ONLY
    loss: float = 0.0  # these three are chances for each datagram, 0 to 1
    duplicate: float = 0.0
    reorder: float = 0.0  # held back for 30 ms, so that later ones overtake it (jitter reorders too)
    drop: Drop | None = None  # drop(datagram, to_server) -> True loses exactly this one; it is asked about every one
    change: Callable[[bytes], bytes] | None = None  # what the server gets instead of a client's datagram

    def __post_init__(self) -> None:
        super().__post_init__()
        self._flows: dict[Address, _Flow] = {}  # the one that was silent longest comes first
        self._queue: list[tuple[float, int, _Flow, bool, bytes]] = []  # a heap by due time, then by arrival
        self._arrivals = itertools.count()

    @property
    def forwarded(self) -> int:
        """Datagrams sent on, both directions (`to_server.forwarded` and `to_client.forwarded` tell them apart)."""
        return self.to_server.forwarded + self.to_client.forwarded

    @property
    def dropped(self) -> int:
        """Datagrams lost, by chance, by `drop` or because nobody could take them; both directions."""
        return self.to_server.dropped + self.to_client.dropped

    @property
    def duplicated(self) -> int:
        """Datagrams sent on twice, both directions."""
        return self.to_server.duplicated + self.to_client.duplicated

    def _pump(self) -> int:
        work = 0
        for datagram, client in _datagrams(self._socket):
            self._take(self._flow(client), True, self.change(datagram) if self.change else datagram)
            work += 1
        for flow in self._flows.values():
            for datagram, source in _datagrams(flow.socket):
                if source == self.target:
                    self._take(flow, False, datagram)
                work += 1
        now = self.clock()
        while self._queue and self._queue[0][0] <= now:
            self._send(*heapq.heappop(self._queue)[2:])
            work += 1
        return work

    def _flow(self, client: Address) -> _Flow:
        flow = self._flows.pop(client, None)
        if flow is None:
            if len(self._flows) >= MAX_CLIENTS:
                self._flows.pop(next(iter(self._flows))).socket.close()
            number = next(self._clients)
            upstream = _new_socket(socket.SOCK_DGRAM)
            upstream.bind((HOST, 0))
            flow = _Flow(client, upstream, {way: self._random(number, way) for way in (True, False)})
        self._flows[client] = flow
        return flow

    def _take(self, flow: _Flow, to_server: bool, datagram: bytes) -> None:
        counts, rng = self._counts(to_server), flow.random[to_server]
        # Always the same number of draws, so that turning one knob leaves the fate of the other datagrams alone.
        lost, twice, late = (rng.random() < chance for chance in (self.loss, self.duplicate, self.reorder))
        lags = [self._lag(rng), self._lag(rng)]
        chosen = self.drop is not None and self.drop(datagram, to_server)
        if chosen or lost or len(self._queue) >= QUEUE:
            counts.dropped += 1
            return
        if late:
            lags[0] += HELD_BACK
        counts.duplicated += twice
        now = self.clock()
        for lag in lags[: 1 + twice]:
            heapq.heappush(self._queue, (now + lag, next(self._arrivals), flow, to_server, datagram))

    def _send(self, flow: _Flow, to_server: bool, datagram: bytes) -> None:
        counts = self._counts(to_server)
        try:
            if to_server:
                flow.socket.sendto(datagram, self.target)
            else:
                self._socket.sendto(datagram, flow.client)
        except OSError:  # a closed port, a full kernel, a client that made room for others: lost, as on a real network
            counts.dropped += 1
        else:
            counts.forwarded += 1
            counts.bytes += len(datagram)

    def close(self) -> None:
        with self._lock:
            super().close()
            for flow in self._flows.values():
                flow.socket.close()
            self._flows.clear()
            self._queue.clear()


def _datagrams(sock: socket.socket) -> Iterator[tuple[bytes, Address]]:
    for _ in range(BATCH):
        try:
            received = sock.recvfrom(65536)
        except BlockingIOError:
            return
        except OSError:  # Windows tells here that an earlier datagram met a closed port; the socket is still good
            continue
        yield received


EOF, RST = b"", None  # what ends a stream; they wait in the queue behind the bytes that came before them


@dataclass
class _Pipe:
    """One direction of one TCP connection: what came from `source` and has not yet gone to `sink`."""

    source: socket.socket
    sink: socket.socket
    to_server: bool
    random: random.Random
    since: float  # when credit was last counted
    credit: float = 0.0  # bytes that `rate` allows now
    size: int = 0
    queue: deque[tuple[float, memoryview | bytes | None]] = field(default_factory=deque)
    ended: bool = False  # nothing more to read
    done: bool = False  # nothing more to write

    def put(self, due: float, data: bytes | None) -> None:
        if self.queue:
            due = max(due, self.queue[-1][0])  # a stream keeps its order, whatever the jitter
        self.queue.append((due, memoryview(data) if data else data))
        self.size += len(data or b"")
        self.ended = self.ended or not data


@dataclass(eq=False)
class TcpRelay(_Relay):
    """A TCP network that is slow, cuts the stream into small pieces, stops reading or resets connections.

    At most 64 KiB a direction wait in the relay, then the sender's own buffer fills. The end of a stream and resets are
    passed on, after the bytes before them. Byte by byte is about 30 kB/s; for long transfers take a split of 50.
    """

    _: KW_ONLY
    split: int = 0  # each pump() passes on 1 to this many bytes a direction, at random (1: byte by byte; 0: all)
    rate: float | None = None  # bytes a second for each connection and direction

    _kind = socket.SOCK_STREAM

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stopped: set[bool] = set()
        self._pairs: list[tuple[_Pipe, _Pipe]] = []
        self._socket.listen(128)

    @property
    def connections(self) -> int:
        """How many connections stand between clients and the server now."""
        return len(self._pairs)

    def stop_reading(self, *, to_server: bool) -> None:
        """Read no more of what goes this way: with to_server=False, the server meets clients that stopped reading."""
        self._stopped.add(to_server)

    def start_reading(self, *, to_server: bool) -> None:
        """Read again after stop_reading()."""
        self._stopped.discard(to_server)

    def reset(self) -> None:
        """Break every connection at once, on both sides (RST); new ones are welcome."""
        with self._lock:
            for pair in self._pairs:
                _close(pair, reset=True)
            self._pairs.clear()

    def _pump(self) -> int:
        work = self._accept()
        for pair in list(self._pairs):
            work += sum(self._read(pipe) for pipe in pair)
            work += sum(self._write(pipe, back) for pipe, back in (pair, pair[::-1]))
            if all(pipe.done and not pipe.queue for pipe in pair):
                _close(pair)
                self._pairs.remove(pair)
        return work

    def _accept(self) -> int:
        accepted = 0
        while len(self._pairs) < MAX_CLIENTS:
            try:
                client, _ = self._socket.accept()
            except OSError:  # nobody there, or gone again
                break
            accepted += 1
            client.setblocking(False)
            server = _new_socket(socket.SOCK_STREAM)
            server.connect_ex(self.target)  # goes on in the background; a failure shows when we read
            number, now = next(self._clients), self.clock()
            up = _Pipe(client, server, True, self._random(number, True), now)
            down = _Pipe(server, client, False, self._random(number, False), now)
            self._pairs.append((up, down))
        return accepted

    def _read(self, pipe: _Pipe) -> int:
        if pipe.ended or pipe.size >= BUFFER or pipe.to_server in self._stopped:
            return 0
        data: bytes | None
        try:
            data = pipe.source.recv(BUFFER - pipe.size)
        except OSError as error:
            if _would_block(pipe.source, error):
                return 0
            data = RST
        pipe.put(self.clock() + self._lag(pipe.random), data)
        return 1

    def _write(self, pipe: _Pipe, back: _Pipe) -> int:
        now, work = self.clock(), 0
        budget = pipe.random.randint(1, self.split) if self.split else BUFFER
        if self.rate is not None:
            # At most a tenth of a second is saved up, or a silent connection would be a fast one when it speaks.
            pipe.credit = min(pipe.credit + self.rate * (now - pipe.since), max(1.0, self.rate / 10))
            budget = min(budget, int(pipe.credit))
        pipe.since = now
        while pipe.queue and pipe.queue[0][0] <= now:
            due, data = pipe.queue[0]
            if data and budget <= 0:
                break
            try:
                if data is RST:
                    _close((pipe, back), reset=True)
                    return work + 1
                if not data:
                    pipe.sink.shutdown(socket.SHUT_WR)
                    pipe.done = True
                sent = pipe.sink.send(data[:budget]) if data else 0
            except OSError as error:
                if _would_block(pipe.sink, error):
                    break
                pipe.queue.clear()  # the reader is gone: the writer learns it, after what was on its way to it
                pipe.ended = pipe.done = True
                back.put(now, RST)
                return work + 1
            work += 1
            budget, pipe.credit, pipe.size = budget - sent, pipe.credit - sent, pipe.size - sent
            if data:
                self._counts(pipe.to_server).forwarded += 1
                self._counts(pipe.to_server).bytes += sent
            if data and sent < len(data):
                pipe.queue[0] = (due, data[sent:])
            else:
                pipe.queue.popleft()
        return work

    def close(self) -> None:
        with self._lock:
            super().close()
            for pair in self._pairs:
                _close(pair)
            self._pairs.clear()


def _close(pair: tuple[_Pipe, _Pipe], *, reset: bool = False) -> None:
    for pipe in pair:
        with contextlib.suppress(OSError):  # closed before, or (macOS) reset by the other end
            if reset:
                pipe.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        pipe.source.close()
        pipe.queue.clear()
        pipe.ended = pipe.done = True


def _would_block(sock: socket.socket, error: OSError) -> bool:
    # A socket that is still connecting says so with ENOTCONN on Windows and macOS, and only SO_ERROR tells a failure.
    connecting = error.errno == errno.ENOTCONN and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return isinstance(error, BlockingIOError) or connecting
