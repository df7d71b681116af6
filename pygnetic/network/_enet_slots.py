"""The slots of an ENet host, of which each CONNECT takes one, completed or not."""

import enet  # type: ignore[import-not-found, unused-ignore]

from pygnetic.network import base
from pygnetic.network._enet_binding import Remote
from pygnetic.network._enet_cookie import Door

__all__: list[str] = []

# ENET_PROTOCOL_MAXIMUM_PEER_ID: ENet refuses to make a host with more.
MAX_PEERS = 4095
# More slots than connections: on a server for pending ones (Limits.strangers), so that a surplus client can be told
# "full", and for those that are leaving; on a client so that one that is closing does not block the next. ENet looks at
# each slot three times an update.
SPARE = 32
_SPARE_OF_CLIENT = 8
# One good cookie, and each CONNECT with another number takes a slot: for 5 to 30 s, if it is never completed. So the
# oldest of these are forgotten where fewer slots than this are free.
_FREE = 32
_HALF_OPEN = enet.PEER_STATE_ACKNOWLEDGING_CONNECT


def slots_for(conn_limit: int, pending: int | None) -> int:
    """Return how many slots a host needs.

    :param pending: how many clients may wait for a server's welcome; None for a host that only connects.
    :raises ValueError: ENet cannot have that many.
    """
    spare = _SPARE_OF_CLIENT if pending is None else SPARE + pending
    if conn_limit + spare > MAX_PEERS:
        raise ValueError(f"conn_limit is {conn_limit}; ENet can have {MAX_PEERS - spare} connections")
    return conn_limit + spare


class Slots:
    """Which slots are taken by clients that have not completed connecting.

    :param count: how many there are.
    """

    def __init__(self, count: int, door: Door) -> None:
        self._door = door
        self._free = count  # as they were counted last
        self._half_open: dict[int, int] = {}  # the numbers of the CONNECTs that are not completed, by slot
        door.count_free(count)

    def are_few(self) -> bool:
        """Return whether few are free, and some were taken since they were counted."""
        return self._door.free < min(_FREE, self._free)

    def make_room(self, peers: list[Remote]) -> None:
        """Forget some that began to connect and have not completed it, if few slots are free.

        These are of the host that has most of them, so that nobody else is kept out.

        :param peers: the host's.
        """
        states = [peer.state for peer in peers]
        numbers = {slot: peers[slot].connectID for slot, state in enumerate(states) if state == _HALF_OPEN}
        # the oldest first: those that were seen before, then the new ones
        waiting = {slot: number for slot, number in self._half_open.items() if numbers.get(slot) == number}
        waiting.update(numbers)
        free = states.count(enet.PEER_STATE_DISCONNECTED)
        if waiting and free < _FREE:
            remotes = {slot: peers[slot].address for slot in waiting}
            sources = {slot: (remote.host, remote.port) for slot, remote in remotes.items()}
            for slot in base.eviction_candidates(sources, _FREE - free):
                peers[slot].reset()
                del waiting[slot]
                free += 1
        self._half_open = waiting
        self._free = free
        self._door.count_free(free)
