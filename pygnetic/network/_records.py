"""What is known of each network adapter before it is imported: selection, doctor, ping and error texts read it here."""

from dataclasses import dataclass

from pygnetic._core.registry import Record

__all__: list[str] = []


@dataclass(frozen=True)
class NetworkRecord(Record):
    """A network adapter.

    :param protocol: what its packets travel in: "UDP" or "TCP"; "" when they stay in this process.
    :param ipv6: whether it knows IPv6 besides IPv4.
    :param instead: the adapter that a server may be on, when nobody answers over this one; "" when there is none.
    """

    protocol: str = ""
    ipv6: bool = False
    instead: str = ""

    @property
    def title(self) -> str:
        """What a player may read."""
        return f"{self.protocol} ({self.name})" if self.protocol else self.name


ENET = NetworkRecord("enet", "UDP, the default", "enet", ("pyenet-vladfi", "pyenet"), protocol="UDP", instead="socket")
SOCKET = NetworkRecord("socket", "TCP", protocol="TCP", ipv6=True, instead="enet")
MEMORY = NetworkRecord("memory", "one process")
