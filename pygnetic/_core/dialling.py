"""The loop of a Client: it connects."""

from functools import partial

from pygnetic._core.closing import ClosingLoop
from pygnetic._core.link import Link
from pygnetic._core.roles import ClientSession
from pygnetic.connection import Connection
from pygnetic.message import MessageFactory
from pygnetic.network.base import Adapter, Peer, written

__all__: list[str] = []


class Dialling(ClosingLoop):
    """The loop of a Client."""

    def connect(self, peer: Peer, factory: MessageFactory) -> Connection:
        """Have a connection to a peer that the adapter has just begun to reach.

        :param factory: the messages; frozen.
        """
        now = self.clock()
        self.account_stall(now)  # what this process did before is no part of this connection's time
        session = ClientSession(factory, self.limits, now, self.next_phase(), partial(_unreachable, self.adapter, peer))
        link = Link(peer, session, self.proxy)
        connection = Connection(self.owner, link, factory)
        self.links[peer] = link
        self.timers.set(link, session.deadline)
        return connection

    def open_session(self, link: Link, now: float) -> None:
        """Say HELLO."""
        session = link.session
        assert isinstance(session, ClientSession)
        session.opened(now)


def _unreachable(adapter: Adapter, peer: Peer) -> str:
    text = f"nobody answered at {written(peer.address)} over {adapter.title}. Is the server running? "
    text += "Is its port open in the firewall?"
    if other := getattr(adapter, "other", ""):
        text += f" Or is it on the {other} adapter? Then clients need n_module={other!r} in init()"
    return text
