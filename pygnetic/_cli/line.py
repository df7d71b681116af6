"""One adapter's way to a server, for ``python -m pygnetic ping``."""

import contextlib
import socket

from pygnetic import network
from pygnetic._core import packets
from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT
from pygnetic.network import base

__all__: list[str] = []

# A server drops who has said no HELLO for Limits.connect_time, 5 s: connect again before that.
_AGE = DEFAULT.connect_time - 1.0
# ENet ignores it, and so does every other protocol that we know: it only asks whether somebody listens.
_NOTHING = b"\x0f\xff\x00"


class Line:
    """One adapter's way to a server.

    :param name: the adapter's.
    :raises ImportError: its library is missing.
    :raises OSError: the host does not resolve for it.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.target = host, port
        self.adapter: base.Adapter = network.adapter_class(network.registry.load(name))(limits=DEFAULT)
        self.title: str = self.adapter.title
        self.opened = self.closed = False
        self.packets: list[bytes] = []
        try:
            self.connect()
        except OSError:
            self.adapter.close()
            raise

    def connect(self) -> None:
        """Connect, again if need be."""
        self.peer = self.adapter.connect(*self.target)
        self.since = self.adapter.clock()
        self._new = True
        self.closed = False

    def poll(self, timeout: float = 0) -> None:
        """Take what came; wait up to ``timeout`` ms for it."""
        for kind, peer, packet, _ in self.adapter.poll(timeout):
            if peer is not self.peer:
                continue
            if kind == base.OPENED:
                self.opened, self._new = True, False
            elif kind == base.CLOSED:
                self.closed = True
            else:
                self.packets.append(packet)

    def ready(self, seconds: float) -> bool:
        """Return True when packets can be sent; the connection is renewed before the server drops it."""
        if self.closed or self.adapter.clock() - self.since > _AGE:
            self.peer.abort()
            self.connect()
        end = self.adapter.clock() + seconds
        while self._new and not self.closed and (left := end - self.adapter.clock()) > 0:
            self.poll(left * 1000)
        return not self._new and not self.closed

    def ping(self, seconds: float) -> float | None:
        """Return the round-trip time in seconds; None when no answer comes in time."""
        if not self.ready(seconds):
            return None
        clock = self.adapter.clock
        now = clock()
        question = packets.ping(now)
        self.peer.send(question, reliable=False, ordered=False)
        self.adapter.flush()
        while not self.closed and (left := now + seconds - clock()) > 0:
            self.poll(left * 1000)
            for packet in self.packets:
                if packet[:2] == bytes((packets.MARK, packets.PONG)) and packet[2:] == question[2:]:
                    with contextlib.suppress(DecodeError):
                        return packets.read_pong(packet, clock())
            self.packets.clear()
        return None

    def hello(self, seconds: float) -> packets.Refusal | None:
        """Return how the server refuses a client that has no messages at all; None when it says nothing."""
        if not self.ready(seconds):
            return None
        self.packets.clear()
        # no serializer has an empty name, so nobody is ever welcomed by this
        self.peer.send(packets.hello(0, ""))
        end = self.adapter.clock() + seconds
        while (left := end - self.adapter.clock()) > 0:
            self.poll(left * 1000)
            for packet in self.packets:
                if packet[:2] == bytes((packets.MARK, packets.REFUSE)):
                    with contextlib.suppress(DecodeError):
                        return packets.read_refuse(packet)
            self.packets.clear()
            if self.closed:
                break
        return None


class Knock:
    """Asks the operating system what it knows: does the other machine say "nobody here", or nothing at all?"""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # ENet knows IPv4 only
        self._address = host, port
        self._refused = False
        with contextlib.suppress(OSError):
            ipv4 = socket.AF_INET
            address = base.resolve(host, port, DEFAULT.resolve_time, kind=socket.SOCK_DGRAM, family=ipv4)[0][1]
            self._socket.setblocking(False)
            self._socket.connect(address)
            self._socket.send(_NOTHING)

    def udp_refused(self) -> bool:
        """Return True if that machine says that nobody listens on the UDP port."""
        try:
            self._socket.recv(1)
        except ConnectionError:
            self._refused = True
        except OSError:
            pass
        return self._refused

    def tcp_refused(self) -> bool:
        """Return True if that machine says that nobody listens on the TCP port."""
        try:
            socket.create_connection(self._address, 1.0).close()
        except ConnectionRefusedError:
            return True
        except (OSError, UnicodeError):
            pass
        return False

    def close(self) -> None:
        self._socket.close()
