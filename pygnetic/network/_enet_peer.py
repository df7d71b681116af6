"""One ENet peer: how packets are handed to ENet, and how many bytes of them it holds."""

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from typing import Protocol

import enet  # type: ignore[import-not-found, unused-ignore]

from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network._enet_binding import Remote

__all__: list[str] = []

# What pyenet and ENet keep for a packet besides its bytes (measured: 520 for one of 2 bytes), and how many packets of
# one peer they may hold at most: for an acknowledgement ENet walks through all of them.
_PACKET_COST = 520
_MOST_HELD = 2048
# Packets that ENet has freed and that may wait to be counted: counting takes as long for 20 of them as for one.
_MANY_FREED = 64
# The largest unreliable packet that ENet does not split: its datagrams have 1392 bytes (ENET_HOST_DEFAULT_MTU; 1400 up
# to ENet 1.3.17), of which 28 are for the headers of a fragment. The pieces would be sent as reliable packets.
LARGEST_UNRELIABLE = 1364
# What tells why a connection is broken off is sent so often at once: where one in ten is lost, one in a thousand times
# none arrives.
_COPIES = 3
# module globals, since each look-up in another module costs 30 ns
_RELIABLE, _UNSEQUENCED = enet.PACKET_FLAG_RELIABLE, enet.PACKET_FLAG_UNSEQUENCED
_Packet = enet.Packet


class Loop(Protocol):
    """What a peer asks of the adapter that has it."""

    limits: Limits
    #: bytes of unreliable packets, with their costs, since the last flush or poll
    loose: int

    def drop(self, peer: "Peer") -> None:
        """Forget a peer and report it, once."""

    def flush(self) -> None:
        """Send what is queued."""


class Peer:
    """One ENet peer. Used after its Host is gone, the enet object crashes Python: only the adapter uses it besides."""

    __slots__ = (
        "_adapter", "_cost", "_freed", "_held", "_limit", "address", "farewell", "opened", "remote", "sending", "slot",
        "taking", "token",
    )  # fmt: skip

    def __init__(self, adapter: Loop, peer: Remote | None, address: tuple[str, int], token: bytes = b"") -> None:
        self.address = address
        self._adapter = adapter
        self.remote = peer
        self.slot = -1 if peer is None else peer.incomingPeerID
        self.token = token  # of the question for a cookie, until it is answered
        self.opened = False
        self.sending = False
        self._limit = adapter.limits.unsent
        self._cost = max(_PACKET_COST, self._limit // _MOST_HELD)  # so the limit bounds how many packets there are, too
        self.farewell = 0  # bytes that ENet held at disconnect()
        self._held = 0  # bytes that ENet holds, with the costs, and what it has let go of since
        # The sizes of the packets that ENet has let go of. Their callbacks run inside ENet, where an exception (such as
        # Ctrl-C) would be lost: so they are this list's append(), which is no Python code, and cheaper.
        self._freed: list[int] = []
        self.taking: Iterator[object] = iter(())

    def begin(self, remote: Remote) -> None:
        """Be connecting: ENet has a slot for it."""
        self.remote = remote
        self.slot = remote.incomingPeerID

    def answered(self) -> None:
        """The question for a cookie is answered, or is asked no more."""
        self.token = b""

    def open(self) -> None:
        """Be connected."""
        self.opened = self.sending = True

    def forget(self) -> None:
        """Touch the enet object no more."""
        self.sending = False
        self.remote = None

    @property
    def unsent(self) -> int:
        """Bytes accepted and not acknowledged yet, and what ENet keeps for each packet."""
        self._settle()
        return self._held

    def in_flight(self) -> int:
        """Return how many reliable packets ENet holds for this peer, at most."""
        return self.unsent // self._cost

    def _settle(self) -> None:
        # a Ctrl-C at the wrong moment makes it too small, and never too large; once all are counted it is right again
        freed = self._freed
        count = len(freed)
        self._held = max(self._held - sum(freed[:count]), 0)
        del freed[:count]

    def send(
        self, packet: bytes, *, channel: int = 0, reliable: bool = True, ordered: bool = True, urgent: bool = False
    ) -> bool:
        """Queue a packet; False before OPENED, after close and over the unsent limit."""
        if not self.sending or self.remote is None:
            return False
        if reliable:
            size = len(packet) + self._cost
            if self._held + size > self._limit or len(self._freed) > _MANY_FREED:
                self._settle()
                if base.over_limit(self._held + size, self._limit, urgent):
                    return False
            data = _Packet(packet, _RELIABLE)
            data.set_free_callback(partial(self._freed.append, size))
            channel *= 2
        else:
            # leaves with the next flush or poll, whoever takes it: enough to count is only what waits for that
            adapter = self._adapter
            adapter.loose += len(packet) + _PACKET_COST
            if adapter.loose > adapter.limits.unsent:
                adapter.flush()
            data = _Packet(packet, 0 if ordered else _UNSEQUENCED)
            channel = 2 * channel + 1
            size = 0
        codes: list[int] = []
        taking = iter((data,))
        self.taking = taking
        codes.extend(map(self.remote.send, repeat(channel), taking))
        self._held += size  # in every case: the callback comes for a refused packet, too
        if codes[0] < 0:
            data.sent = False  # pyenet believes that ENet owns it, and would leak it
            return False
        return True

    def disconnect(self) -> None:
        """Close; what was sent before still arrives."""
        if self.sending and self.remote is not None:
            self.farewell = self.unsent
            self.remote.disconnect_later()
            self.sending = False
        elif not self.opened:
            self.abort()

    def break_off(self, packet: bytes) -> None:
        """Close, and have a packet arrive that tells why before what was sent."""
        if self.sending:
            # ENet gives nothing back, and sends reliable packets in turn: only what is unsequenced overtakes them
            for _ in range(_COPIES):
                self.send(packet, reliable=False, ordered=False)
                self._adapter.flush()  # a datagram for each
            self.send(packet, urgent=True)
        self.disconnect()

    def abort(self) -> None:
        """Close now."""
        if self.token:
            self._adapter.drop(self)
        elif self.remote is not None:
            if self.opened and not self.sending:
                self._adapter.flush()  # disconnect_now() after disconnect() throws the goodbye away: out with it first
            # also tells the other end, once; it makes no event here, so CLOSED is ours to report
            self.remote.disconnect_now()
            self._adapter.drop(self)
