"""Datagrams that name no connection: who may connect, and whether a connection is still open.

* **The cookie.** An address that nobody has answered from yet gets no slot. A client asks for a cookie, the server
  answers with a keyed hash of the address the question came from and keeps nothing; the client shows that cookie in
  the ``data`` of ENet's CONNECT. The answer is as long as the question, so a server amplifies nothing.
* **The second question.** A client that has heard nothing for a second asks whether its connection is still open. A
  server that was restarted, or has given it up, says no; otherwise it says nothing. The answer brings back 8 random
  bytes, so nobody can forge it who does not see the traffic.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import blake2s

from pygnetic.network._enet_binding import Address, Remote
from pygnetic.network._enet_window import Terms, Window

__all__: list[str] = []

# What ENet ignores when no filter stands before it: peer id "none", then command 0. Then who we are, "?" or "!", and
# the version of this exchange; then a nonce (8 bytes) and a cookie (4 bytes, 0 in a question).
_QUESTION = b"\x0f\xff\x00pygnetic-cookie?\x01"
_ANSWER = b"\x0f\xff\x00pygnetic-cookie!\x01"
_COOKIE_SIZE = len(_QUESTION) + 8 + 4
# The same for a connection: a nonce (8 bytes), the server's session and slot as in ENet's header (2), and 2 zeros.
_IS_OPEN = b"\x0f\xff\x00pygnetic-active?\x01"
_IS_CLOSED = b"\x0f\xff\x00pygnetic-closed!\x01"
# Seconds of silence before a client asks. ENet pings every half second, and each ping is acknowledged.
_SILENCE = 1.0
# Answers a second. More are asked for by as many clients as there can be, or by somebody with forged addresses.
_MAX_ANSWERS = 1000
# The one CONNECT that ENet writes: peer id "none" with a time, then nothing but the command, on channel 255 as first.
_CONNECT_SIZE = 52
_CONNECT_START = b"\x8f\xff"
_CONNECT_COMMAND = b"\x82\xff\x00\x01"
# When fewer slots are free, the adapter makes room before the next update, so each CONNECT pushes out another. Then
# at most 4 of one host are admitted in 1/60 s: if 64 wait, each has a quarter of a second to be completed. And only
# one of one address and port in 2 s, or whoever has one cookie would keep out all others behind the same address. ENet
# repeats a CONNECT 0.5, 1.5 and 3.5 s after the first.
_LAST_SLOTS = 32
_CONNECTS_OF_A_HOST = 4
_HOST_PERIOD = 1 / 60
_SOURCE_PERIOD = 2.0
# A cookie is good in its period and the next, so 32 to 64 s: longer than ENet repeats one CONNECT (30 s).
PERIOD = 32.0
# Seconds between two questions of one connect(): above most round trips, and 20 of them before it gives up.
RETRY = 0.25


class _Request:
    """A question for a cookie that is not answered yet."""

    __slots__ = ("address", "due", "host", "port")

    def __init__(self, address: Address, due: float) -> None:
        self.address = address
        self.host = address.host
        self.port = address.port
        self.due = due


class _Watch:
    """How long a client has heard nothing in one connection, and what its server said to that."""

    __slots__ = ("address", "closed", "heard", "nonce", "question", "since")

    def __init__(self, peer: Remote) -> None:
        self.address = peer.address
        self.nonce = os.urandom(8)
        number = peer.outgoingSessionID << 12 | peer.outgoingPeerID
        self.question = _IS_OPEN + self.nonce + number.to_bytes(2, "big") + bytes(2)
        self.heard = 0  # ENet's time of the last acknowledgement
        self.since = 0.0  # and our own time, at which that was seen
        self.closed = False


class Door:
    """Who may connect to a host, and what a client asks a server outside of any connection.

    :param send: ``send(address, data)`` sends a datagram at once.
    :param listening: whether others may connect to this host.
    :param terms: what a peer that connects must have.
    :param windows: the open connections, by their ``incomingPeerID``.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        send: Callable[[Address, bytes], object],
        *,
        listening: bool,
        terms: Terms,
        windows: Mapping[int, Window],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.challenged = 0  #: questions for a cookie that were answered
        #: CONNECTs without a good cookie, with too small datagrams, with other channels, or too many of one host when
        #: slots are short
        self.refused = 0
        self.told = 0  #: questions for a connection that were answered: it is closed
        #: ENet's free slots as the adapter counted them last, less the CONNECTs admitted since; plenty if it never did.
        self.free = sys.maxsize
        self._send = send
        self._listening = listening
        self._terms = terms
        self._windows = windows
        self._clock = clock
        self._secret = os.urandom(32)
        self._hosts: list[str] = []  # of the CONNECTs admitted in the last period, where slots are short
        self._hosts_since = 0.0
        self._sources: set[tuple[str, int]] = set()
        self._sources_since = 0.0
        self._requests: dict[bytes, _Request] = {}
        self._cookies: list[tuple[bytes, int]] = []
        self._watches: dict[int, _Watch] = {}
        self._answers, self._answers_since = 0, 0.0

    # a client's part

    def request(self, address: Address) -> bytes:
        """Ask a server for a cookie; the token that comes back names this request."""
        token = os.urandom(8)
        self._requests[token] = _Request(address, self._clock() + RETRY)
        self._send(address, _QUESTION + token + bytes(4))
        return token

    def cancel(self, token: bytes) -> None:
        """Stop asking; harmless when the request is answered or unknown."""
        self._requests.pop(token, None)
        self._cookies = [item for item in self._cookies if item[0] != token]

    def cookies(self) -> list[tuple[bytes, int]]:
        """Ask again where it is time to, and return (token, cookie) of the requests answered since the last call."""
        if self._requests:
            now = self._clock()
            for token, request in self._requests.items():
                if now >= request.due:
                    request.due = now + RETRY
                    self._send(request.address, _QUESTION + token + bytes(4))
        # no call stands between these two, and so no Ctrl-C
        cookies, self._cookies = self._cookies, []
        return cookies

    def is_closed(self, peer: Remote) -> bool:
        """Return whether the server has said that it does not know this open connection; ask it after some silence.

        Each call asks once, so call it a few times a second.
        """
        slot = peer.incomingPeerID
        watch = self._watches.get(slot)
        if watch is None:
            watch = self._watches[slot] = _Watch(peer)
        now = self._clock()
        heard = peer.lastReceiveTime
        if heard != watch.heard:
            watch.heard, watch.since = heard, now
        elif heard and now - watch.since >= _SILENCE:  # before the first one, the server may not know it yet
            if watch.closed:
                return True
            self._send(watch.address, watch.question)
        return False

    def forget(self, slot: int) -> None:
        """Stop watching the connection in a slot; harmless when it is not watched."""
        self._watches.pop(slot, None)

    # a server's part

    def count_free(self, slots: int) -> None:
        """Hear how many of ENet's slots are free."""
        self.free = slots

    def take(self, address: Address, data: bytes) -> bool | None:
        """Decide about a datagram: False for one that ENet may read, None for one that is none of ours."""
        if len(data) < _COOKIE_SIZE:
            return True  # nothing that ENet would act on; who gives up connecting says goodbye like this
        if len(data) == _CONNECT_SIZE and data[:2] == _CONNECT_START and data[4:8] == _CONNECT_COMMAND:
            if self._listening:
                cookie = int.from_bytes(data[48:], "big")
                period = int(self._clock() // PERIOD)
                good = cookie in (self.cookie(address, period), self.cookie(address, period - 1))
                if good and self._terms.accept(data, 4) and self._admit(address):
                    return False
                self.refused += 1
                return True
        elif len(data) == _COOKIE_SIZE:
            token = data[20:28]
            if data.startswith(_QUESTION):
                if self._listening:
                    cookie = self.cookie(address, int(self._clock() // PERIOD))
                    self._send(address, _ANSWER + token + cookie.to_bytes(4, "big"))
                    self.challenged += 1
                    return True
            elif data.startswith(_ANSWER):
                request = self._requests.get(token)
                if request is not None and address.port == request.port and address.host == request.host:
                    self._cookies.append((token, int.from_bytes(data[28:], "big")))
                    del self._requests[token]
                return True  # a second answer is nothing bad
            elif data.startswith(_IS_OPEN):
                if self._listening:
                    self._tell(address, data)
                    return True
            elif data.startswith(_IS_CLOSED):
                for watch in self._watches.values():
                    known = watch.address
                    if data[20:] == watch.question[20:] and address.port == known.port and address.host == known.host:
                        watch.closed = True
                return True
        return None

    def _tell(self, address: Address, question: bytes) -> None:
        """Answer if a connection is closed; silence means that it is open, and that others must not learn of it."""
        number = question[28] << 8 | question[29]
        window = self._windows.get(number & 0xFFF)
        if window is not None and window.is_at(address, number >> 12):
            return
        now = self._clock()
        if now >= self._answers_since + 1:
            self._answers, self._answers_since = 0, now
        if self._answers < _MAX_ANSWERS:
            self._answers += 1
            self.told += 1
            self._send(address, _IS_CLOSED + question[20:])

    def _admit(self, address: Address) -> bool:
        if self.free < _LAST_SLOTS:  # and not at as many: the one that is admitted then has them counted anew
            now = self._clock()
            if now >= self._hosts_since + _HOST_PERIOD:
                self._hosts.clear()
                self._hosts_since = now
            if now >= self._sources_since + _SOURCE_PERIOD:
                self._sources.clear()
                self._sources_since = now
            host = address.host
            source = host, address.port
            if source in self._sources or self._hosts.count(host) >= _CONNECTS_OF_A_HOST:
                return False  # who is honest comes again in half a second
            self._hosts.append(host)
            self._sources.add(source)
        self.free -= 1
        return True

    def cookie(self, address: Address, period: int) -> int:
        """Return the cookie of an address in a period."""
        text = f"{address.host} {address.port} {period}".encode()
        # 0 is what a CONNECT without a cookie carries
        return int.from_bytes(blake2s(text, digest_size=4, key=self._secret).digest(), "big") or 1
