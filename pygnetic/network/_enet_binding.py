"""What is used of the module ``enet``, which has no annotations of its own."""

from collections.abc import Callable
from typing import Protocol

__all__: list[str] = []


class Address(Protocol):
    """What is used of an ``enet.Address``."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class Remote(Protocol):
    """What is used of an ``enet.Peer``."""

    packetThrottleDeceleration: int  # noqa: N815

    @property
    def address(self) -> Address: ...

    @property
    def incomingPeerID(self) -> int: ...  # noqa: N802

    @property
    def incomingSessionID(self) -> int: ...  # noqa: N802

    @property
    def connectID(self) -> int: ...  # noqa: N802

    @property
    def state(self) -> int: ...

    @property
    def outgoingPeerID(self) -> int: ...  # noqa: N802

    @property
    def outgoingSessionID(self) -> int: ...  # noqa: N802

    @property
    def mtu(self) -> int: ...

    @property
    def channelCount(self) -> int: ...  # noqa: N802

    @property
    def lastReceiveTime(self) -> int: ...  # noqa: N802

    def send(self, channel: int, packet: object) -> int:
        """Queue an ``enet.Packet``; a negative number if ENet refuses it."""

    def disconnect_later(self) -> None: ...

    def disconnect_now(self) -> None: ...

    def reset(self) -> None: ...


class Received(Protocol):
    """What is used of an ``enet.Packet`` that came."""

    @property
    def data(self) -> bytes: ...

    @property
    def flags(self) -> int: ...


class Happening(Protocol):
    """An ``enet.Event``."""

    @property
    def type(self) -> int: ...

    @property
    def peer(self) -> Remote: ...

    @property
    def packet(self) -> Received: ...

    @property
    def channelID(self) -> int: ...  # noqa: N802


class Socket(Protocol):
    """An ``enet.Socket``."""

    def fileno(self) -> int: ...

    def send(self, address: Address, data: bytes) -> object: ...


class Host(Protocol):
    """What is used of an ``enet.Host``."""

    intercept: Callable[[Address, bytes], bool]

    @property
    def address(self) -> Address: ...

    @property
    def peers(self) -> list[Remote]: ...

    @property
    def socket(self) -> Socket: ...

    @property
    def totalReceivedPackets(self) -> int: ...  # noqa: N802

    def connect(self, address: Address, channels: int, data: int) -> Remote: ...

    def service(self, timeout: int) -> Happening: ...

    def check_events(self) -> Happening | None: ...

    def flush(self) -> None: ...
