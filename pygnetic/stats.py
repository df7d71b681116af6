"""What can be known of a connection: round-trip times, losses, traffic."""

from array import array
from dataclasses import dataclass

__all__ = ["Stats", "Traffic"]

# Loss is the share of so many PINGs, one a second, that came to nothing.
_PINGS = 50
# How much of each change goes into the jitter: RFC 3550 (RTP), section 6.4.1.
_GAIN = 1 / 16


@dataclass(frozen=True)
class Traffic:
    """How much of one kind of message went one way."""

    count: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Stats:
    """A connection at one moment; ``connection.stats`` makes it.

    :param rtt: round-trip time in ms, of the last PING that was answered.
    :param jitter: how much the round-trip time varies, in ms, as RTP measures it (RFC 3550, section 6.4.1).
    :param loss: share of the last 50 PINGs that were not answered, 0.0 to 1.0. It is that of the way there and back:
        where one datagram in ten is lost each way, 0.19. On TCP nothing is lost; then it tells of answers that took
        more than a second.
    :param bytes_sent_rate: bytes per second of the packets with messages, over the last second; 0.0, as the other
        rates, when the connection has ended.
    :param bytes_received_rate: the same, received.
    :param messages_sent_rate: messages per second, over the last second.
    :param messages_received_rate: the same, received.
    :param unsent: bytes accepted and not delivered yet.
    :param bytes_sent: bytes of all packets with messages that were sent.
    :param bytes_received: the same, received.
    :param messages_sent: messages in these packets.
    :param messages_received: the same, received.
    :param dropped: unreliable packets that were not sent, because too much was unsent.
    :param sent: by the name of a message, its :class:`Traffic`.
    :param received: the same, received; each message of a packet counts with the same share of the packet's bytes.
    """

    rtt: float
    jitter: float
    loss: float
    bytes_sent_rate: float
    bytes_received_rate: float
    messages_sent_rate: float
    messages_received_rate: float
    unsent: int
    bytes_sent: int
    bytes_received: int
    messages_sent: int
    messages_received: int
    dropped: int
    sent: dict[str, Traffic]
    received: dict[str, Traffic]


class Meter:
    """Measures one connection by its PINGs, and its traffic by the seconds between them.

    :param now: seconds, monotonic.
    """

    __slots__ = ("_answered", "_measured", "_stamps", "_then", "_totals", "jitter", "rates", "rtt")

    def __init__(self, now: float) -> None:
        self.rtt = 0.0
        self.jitter = 0.0
        self.rates = (0.0, 0.0, 0.0, 0.0)
        self._stamps = array("Q")  # of the last PINGs, the newest last; 400 bytes where a list of ints takes 2000
        self._measured = False
        self._answered = 0  # a bit for each of them, the newest lowest
        self._then = now
        self._totals = (0, 0, 0, 0)

    def pinged(self, stamp: int) -> None:
        """Record a PING that is sent now.

        :param stamp: what it carries.
        """
        self._stamps.append(stamp)
        if len(self._stamps) > _PINGS:
            del self._stamps[0]
        self._answered = self._answered << 1 & (1 << _PINGS) - 1

    def measure(self, now: float, totals: tuple[int, int, int, int]) -> None:
        """Record the traffic up to now.

        :param totals: bytes sent and received, messages sent and received.
        """
        seconds = now - self._then
        if seconds > 0:
            sent, received, messages_sent, messages_received = (
                (total - before) / seconds for total, before in zip(totals, self._totals, strict=True)
            )
            self.rates = sent, received, messages_sent, messages_received
        self._then, self._totals = now, totals

    def answered(self, stamp: int, rtt: float) -> None:
        """Take note of a PONG; one that answers none of the last PINGs, or an answered one, changes nothing.

        :param stamp: what it carries.
        :param rtt: how long it took, in ms.
        """
        if stamp not in self._stamps:
            return
        bit = 1 << len(self._stamps) - 1 - self._stamps.index(stamp)
        if self._answered & bit:
            return
        self._answered |= bit
        if self._measured:
            self.jitter += (abs(rtt - self.rtt) - self.jitter) * _GAIN
        self._measured = True
        self.rtt = rtt

    @property
    def loss(self) -> float:
        """Share of the PINGs that were not answered; the newest has a second left and does not count yet."""
        asked = len(self._stamps) - 1
        return 1 - (self._answered >> 1).bit_count() / asked if asked > 0 else 0.0


class Tally(dict[type, list[int]]):
    """Counts messages and their bytes by class, a flush or a packet at a time."""

    __slots__ = ()

    def __missing__(self, kind: type) -> list[int]:
        traffic = self[kind] = [0, 0]
        return traffic

    def sent(self, kinds: list[type], packed: list[bytes]) -> None:
        """Count packed messages; ``kinds`` are their classes."""
        if kinds.count(kinds[0]) == len(kinds):  # all of a kind: 15 ns a message where the loop takes 150
            traffic = self[kinds[0]]
            traffic[0] += len(kinds)
            traffic[1] += sum(map(len, packed))
        else:
            for kind, data in zip(kinds, packed, strict=True):
                traffic = self[kind]
                traffic[0] += 1
                traffic[1] += len(data)

    def received(self, messages: list[object], size: int) -> None:
        """Count the messages of a packet of so many bytes; each counts with the same share of it."""
        count = len(messages)
        kinds = set(map(type, messages)) if count > 1 else ()
        if len(kinds) < 2:
            traffic = self[type(messages[0])]
            traffic[0] += count
            traffic[1] += size
        else:
            share, rest = divmod(size, count)
            for message in messages:
                traffic = self[type(message)]
                traffic[0] += 1
                traffic[1] += share + (rest > 0)
                rest -= 1

    def messages(self) -> int:
        """Return how many were counted."""
        return sum(count for count, _ in self.values())

    def by_name(self) -> dict[str, Traffic]:
        """Return what was counted, by the names of the messages."""
        return {kind.__name__: Traffic(*traffic) for kind, traffic in self.items()}
