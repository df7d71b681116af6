"""Connections that a server has not let in yet: they have no place, and bounded room and lines in the log."""

import logging

from pygnetic._core.link import Link
from pygnetic.network.base import Peer, eviction_candidates, neighbourhood

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")

# Lines in the log in a second about clients that are refused; a line for each would fill a disk.
_LINES = 10


class Pending(dict[Peer, Link]):
    """The pending connections by peer, the oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._since = 0.0  # lines in the log since then, and those left out
        self._logged = self._suppressed = 0

    def eviction_candidate(self) -> Link:
        """Return which one goes when there are too many: the oldest of the address with the most of them."""
        sources = {peer: (neighbourhood(peer.address[0]), peer.address) for peer in self}
        (peer,) = eviction_candidates(sources, 1)
        return self[peer]

    def log(self, now: float, text: str, *args: object) -> None:
        """Log a line, unless too many were logged in the second before ``now``."""
        if now >= self._since + 1:
            if self._suppressed:
                _logger.info("and %d others that were refused", self._suppressed)
            self._since, self._logged, self._suppressed = now, 0, 0
        if self._logged < _LINES:
            self._logged += 1
            _logger.info(text, *args)
        else:
            self._suppressed += 1
