"""The numbers that keep a stranger from hurting your game, all in one place."""

from dataclasses import dataclass

__all__ = ["DEFAULT", "Limits"]


@dataclass(frozen=True)
class Limits:
    """How much a connection may send, hold and take; the defaults suit a game on the open internet.

    :param packet_size: bytes of the largest packet, and so of the largest message. 64 KiB is what ENet keeps in
        flight for one peer (ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE), so a bigger one would always wait for itself.
    :param unreliable_size: bytes of the largest unreliable message or packet. 1200 fits into one datagram on every
        path (QUIC's smallest datagram, RFC 9000 section 14); ENet takes up to 1364, since it would send the pieces of a
        larger one reliably.
    :param unsent: bytes one connection may have accepted but not delivered, with what each packet takes besides (520
        bytes over ENet, 64 over TCP). 1 MiB is eight seconds of 1 Mbit/s. Over ENet a packet counts a 2048th of the
        limit at least, so that no more than 2048 are unacknowledged.
    :param messages: messages one connection gets handled in one ``update()``; 256 is fifty times what a
        60 Hz game sends in a frame.
    :param io_time: milliseconds one poll may spend reading; a third of a 60 Hz frame.
    :param backlog: bytes of received packets that may wait for their handlers, for one connection.
    :param connect_time: seconds until an unanswered ``connect()`` is UNREACHABLE, and a silent stranger is dropped.
    :param idle_time: seconds without a packet until a connection is TIMEOUT; ten missed PINGs. Over ENet you cannot
        rely on more than 5: ENet gives a connection up (LOST) when a packet is not acknowledged for 5 to 30 s.
    :param close_time: seconds that a closing connection may take to deliver what was sent before.
    :param resolve_time: seconds that ``connect()`` waits for a host name to be resolved.
    :param nesting: containers within containers in one field.
    :param container: elements of one list or dict in a field.
    :param strangers: connections that have not said a valid HELLO yet; past it one is dropped.

    >>> Limits(unsent=8 * 1024 * 1024).unsent
    8388608
    """

    packet_size: int = 65536
    unreliable_size: int = 1200
    unsent: int = 1048576
    messages: int = 256
    io_time: float = 5.0
    backlog: int = 1048576
    connect_time: float = 5.0
    idle_time: float = 10.0
    close_time: float = 3.0
    resolve_time: float = 2.0
    nesting: int = 16
    container: int = 1024
    strangers: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            time = name.endswith("_time")
            if not isinstance(value, (int, float) if time else int) or not value > 0:
                raise ValueError(f"Limits({name}={value!r}): it is a {'' if time else 'whole '}number above 0")


DEFAULT = Limits()
