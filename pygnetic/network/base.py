"""The contract that every network adapter keeps, and what adapters share.

One contract suite (``tests/test_contract.py``) runs over all of them; write yours to pass it.
"""

import errno
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypedDict, TypeVar, cast

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits

__all__ = [
    "CLOSED", "OPENED", "PACKET", "Adapter", "Event", "Peer", "check_host", "check_port", "listen_error", "most_cost",
    "never_opened", "over_limit", "resolve", "written",
]  # fmt: skip

# Bytes that an urgent packet may go over the unsent limit: the longest goodbye has 1030.
_URGENT = 2048
_MOST_COST = 1024

K = TypeVar("K")

#: What a socket is bound or connected to: host and port; of IPv6, a flow and the number of an interface besides.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Resolved = tuple[socket.AddressFamily, SocketAddress]

OPENED = 0
PACKET = 1
CLOSED = 2


class Info(TypedDict):
    """What an adapter tells of a packet."""

    channel: int


class Peer(Protocol):
    """One remote end, as an adapter sees it; a connection's ``conn_obj``."""

    @property
    def address(self) -> tuple[str, int]:
        """The remote end's (host, port)."""

    @property
    def unsent(self) -> int:
        """Bytes accepted and not delivered yet, with what the adapter keeps for each packet (see :func:`most_cost`)."""

    @property
    def taking(self) -> Iterator[object]:
        """An iterator, another one for each packet: exhausted in the very step in which ``send`` takes the packet.

        So it tells what became of a ``send`` that Ctrl-C has interrupted.
        """

    def send(
        self, packet: bytes, *, channel: int = 0, reliable: bool = True, ordered: bool = True, urgent: bool = False
    ) -> bool:
        """Queue a packet; False before OPENED, after close and over the unsent limit (see :func:`over_limit`).

        :param urgent: it may go a little over the limit: why somebody leaves is said even when the queue is full.
        """

    def disconnect(self) -> None:
        """Close; what was sent before still arrives. Harmless when repeated."""

    def break_off(self, packet: bytes) -> None:
        """Close, and have a packet arrive that tells why before what was sent; what has not left may be dropped."""

    def abort(self) -> None:
        """Close now; CLOSED comes in the next poll. Harmless when repeated."""


#: (kind, peer, packet, info): info is ``{'channel': n}`` for a PACKET and a DisconnectReason for CLOSED.
Event = tuple[int, Peer, bytes, Info | DisconnectReason | None]


class Adapter(Protocol):
    """One per Client or Server; all I/O happens in ``poll``, ``flush`` and ``close``, and none of them blocks.

    Per peer: OPENED at most once, and only when packets can be sent; PACKETs whole and in order; CLOSED exactly
    once, whoever closed and even if it never opened: UNREACHABLE before OPENED, else LOST (PROTOCOL_ERROR for bytes
    that are no packets). Nothing is called back from inside ``send`` and ``disconnect``.
    """

    clock: Callable[[], float]
    address: tuple[str, int] | None
    #: what a player may read: "UDP (enet)"
    title: str
    #: bytes of the largest unreliable packet, if there is a bound; None where ``packet_size`` is the only one
    largest_unreliable: int | None

    def __init__(
        self, address: tuple[str, int] | None = None, conn_limit: int = 4, *, limits: Limits, **options: object
    ) -> None:
        """Bind if an address is given."""

    def connect(self, host: str, port: int, **options: object) -> Peer:
        """Start to connect.

        :raises OSError: the host does not resolve, or the port is not a number from 1 to 65535.
        """

    def poll(self, timeout: float = 0) -> list[Event]:
        """Send what is queued, wait up to ``timeout`` ms for the first event, then take all there is.

        What Ctrl-C keeps it from returning is returned by the next one.
        """

    def flush(self) -> None:
        """Send what is queued, as far as the network takes it now."""

    def close(self) -> None:
        """Send what is queued and free the port; harmless when repeated. No events come after it."""

    def abandon(self) -> None:
        """Close the descriptors and send nothing: in a forked child, they are copies of what the parent goes on using.

        What the system shares between the two, such as an epoll's registrations, stays as it is.
        """


def never_opened(opened: bool) -> DisconnectReason:
    """Return why a peer is gone when nobody said more."""
    return DisconnectReason.LOST if opened else DisconnectReason.UNREACHABLE


def over_limit(unsent: int, limit: int, urgent: bool = False) -> bool:
    """Return whether a packet is over the limit; urgent ones have 2048 bytes of their own.

    :param unsent: bytes that would be unsent with it.
    :param limit: ``Limits.unsent``.
    :param urgent: as for :meth:`Peer.send`.
    """
    return unsent > limit + (_URGENT if urgent else 0)


def most_cost(limit: int) -> int:
    """Return how many bytes an adapter may count for a packet besides its own, with a limit on what is unsent."""
    return max(_MOST_COST, limit // 1024)


def written(address: tuple[str, int]) -> str:
    """Return an address as people write it: an IPv6 host stands in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def neighbourhood(host: str) -> str:
    """Return what one person's addresses have in common: of IPv6, where each has a network of 2**64, its number."""
    if ":" not in host:
        return host
    try:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()
    except (OSError, ValueError):
        return host


def eviction_candidates(sources: Mapping[K, tuple[str, object]], count: int) -> list[K]:
    """Return who is to go when there are too many that nobody knows yet.

    The next is always the oldest of the address and port that most are from, in the neighbourhood that most are from.
    So somebody who connects over and over pushes out themselves, and not those who come from elsewhere or live behind
    the same address.

    :param sources: the (neighbourhood, address and port) of each that could go, the oldest first.
    """
    left = dict(sources)
    candidates = []
    for _ in range(min(count, len(left))):
        crowds = Counter([crowd for crowd, _ in left.values()])
        largest = max(crowds, key=crowds.__getitem__)  # of equals the first, which has the oldest
        addresses = Counter([address for crowd, address in left.values() if crowd == largest])
        source = largest, max(addresses, key=addresses.__getitem__)
        candidates.append(next(key for key, value in left.items() if value == source))
        del left[candidates[-1]]
    return candidates


def check_host(host: object) -> None:
    """:raises OSError: it is neither a name nor an address."""
    if not isinstance(host, str) or not host:
        text = f"{host!r} is not a host; give a name or an address, such as 'localhost'"
        raise OSError(errno.EINVAL, text + (f", or port={host}" if type(host) is int else ""))
    name, _, digits = host.partition(":")
    if name and digits.isdecimal():  # an IPv6 address has more colons
        raise OSError(errno.EINVAL, f"{host!r} is not a host; give the port by itself: {name!r}, {digits}")


def check_port(host: str, port: object, lowest: int) -> int:
    """Return the port if it is one.

    :raises OSError: it is not; the text names the address.
    """
    if type(port) is not int or not lowest <= port <= 65535:
        text = f"{port!r} is not a port (host {host!r}); a port is a number from {lowest} to 65535"
        if isinstance(port, str) and port.isdecimal():  # from sys.argv, or typed into a window
            text += f", and this is a text: int({port!r})"
        raise OSError(errno.EINVAL, text)
    return port


def listen_error(address: tuple[str, int], error: OSError) -> OSError:
    """Return an error that says which address could not be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        advice = "another program (or another copy of this one) uses it; stop that one, or choose another port"
    elif error.errno == errno.EADDRNOTAVAIL:
        advice = "this machine has no such address; use '' for all of its addresses"
    elif error.errno in (errno.EACCES, errno.EPERM):
        advice = "not allowed; choose a port above 1023"
    else:
        advice = error.strerror or str(error)
    return OSError(error.errno or errno.EADDRNOTAVAIL, f"cannot listen on {written(address)}: {advice}")


def _is_number(host: str, family: int) -> bool:
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):  # ValueError for a null character, or letters beyond ASCII
        return False
    return True


def resolve(
    host: str, port: int, timeout: float, *, kind: int, family: int = socket.AF_UNSPEC, lowest: int = 1
) -> list[Resolved]:
    """Return the (family, address) pairs of a host: at once for numbers, else by asking for at most ``timeout`` s.

    :param kind: ``socket.SOCK_STREAM`` or ``SOCK_DGRAM``.
    :param lowest: the lowest port that makes sense: 0 to listen on.
    :raises OSError: it does not resolve; the text names the host.
    """
    check_port(host, port, lowest)
    check_host(host)
    numeric: int = 0
    if _is_number(host, socket.AF_INET):
        if family != socket.AF_INET6:
            return [(socket.AF_INET, (host, port))]  # 1 us where getaddrinfo() takes 9: a thousand may join at once
        numeric = socket.AI_NUMERICHOST
    elif _is_number(host.partition("%")[0], socket.AF_INET6):
        if family == socket.AF_INET:
            text = f"{host!r} is an IPv6 address, and here only IPv4 is known; the socket adapter knows both"
            raise OSError(errno.EAFNOSUPPORT, text)
        numeric = socket.AI_NUMERICHOST  # it knows the number of an interface behind the %
    answers: list[Resolved] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, family, kind, 0, numeric)
        except (OSError, UnicodeError) as error:
            errors.append(error)
        else:
            answers.extend((answer[0], cast(SocketAddress, answer[4])) for answer in found)

    if numeric:
        ask()
    else:
        # a name server may take half a minute to say nothing, and the game must go on
        thread = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
        thread.start()
        thread.join(timeout)
    if errors:
        problem = getattr(errors[0], "strerror", None) or errors[0]
        raise OSError(errno.EHOSTUNREACH, f"host {host!r} does not resolve ({problem}); is its name right?")
    if not answers:
        raise OSError(errno.ETIMEDOUT, f"host {host!r} was not resolved within {timeout} s; is its name right?")
    return list(answers)  # a thread that is late may still add to it
