"""What stands between the internet and ENet: it reads each datagram first and keeps the harmful ones out.

ENet trusts its peers: a few small datagrams make it reserve megabytes, and anyone may take its slots under a false
address. This filter works on bytes alone and is hung in with ``host.intercept = filter.intercept``:

* ``_enet_walk.py``: a datagram of a connection passes only if it consists of commands that ENet writes, to the byte.
* ``_enet_window.py``: what is repeated, early, in pieces or unreliable is bounded by what an honest sender can send
  and by what ENet can sort in a few milliseconds.
* ``_enet_cookie.py``: an address that nobody has answered from yet gets no slot.

What is dropped is only counted: whoever sent it may have forged the address, so no connection is closed for it. Even
an honest command would only be late by one retransmission. User channels are pairs of ENet channels: reliable
packets go over the even ones, unreliable ones over the odd ones.
"""

import time
from collections.abc import Callable

from pygnetic.network._enet_binding import Address, Remote
from pygnetic.network._enet_cookie import Door
from pygnetic.network._enet_walk import Walk
from pygnetic.network._enet_window import Terms, Window

__all__ = ["DatagramFilter"]


class DatagramFilter(Walk):
    """Decide about each datagram before ENet reads it; one per ENet host, for servers and clients.

    :param send: ``send(address, data)`` sends a datagram at once: ``host.socket.send``. It holds the bare descriptor,
        so the filter must not outlive the host.
    :param listening: whether strangers may connect to this host.
    :param packet_limit: bytes of the largest packet that is received.
    :param unreliable_limit: bytes of the largest unreliable packet that is sent; a datagram must hold it.
    :param channels: how many channels of ENet both ends must have.
    :param clock: seconds, monotonic.

    Addresses are what ENet's binding hands out: ``host`` and ``port`` are all that is used of them.
    """

    def __init__(
        self,
        send: Callable[[Address, bytes], object],
        *,
        listening: bool,
        packet_limit: int,
        unreliable_limit: int,
        channels: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        windows: dict[int, Window] = {}
        terms = Terms(unreliable_limit, channels)
        self.door = Door(send, listening=listening, terms=terms, windows=windows, clock=clock)
        super().__init__(windows, terms, packet_limit, self.door.take)

    def request(self, address: Address) -> bytes:
        """Ask a server for a cookie; the token that comes back names this request."""
        return self.door.request(address)

    def cancel(self, token: bytes) -> None:
        """Stop asking; harmless when the request is answered or unknown."""
        self.door.cancel(token)

    def cookies(self) -> list[tuple[bytes, int]]:
        """Ask again where it is time to, and return (token, cookie) of the requests answered since the last call."""
        return self.door.cookies()

    def is_closed(self, peer: Remote) -> bool:
        """Return whether the server has said that it does not know this open connection; ask it after some silence."""
        return self.door.is_closed(peer)

    def closed(self, slot: int) -> None:
        """Forget the peer with that ``incomingPeerID``; harmless when it is unknown."""
        super().closed(slot)
        self.door.forget(slot)
