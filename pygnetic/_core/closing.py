"""How the loop of a Client or Server ends: closed, collected, at the end of Python, or as a copy in a forked child."""

from collections import deque
from itertools import starmap
from threading import get_ident

from pygnetic._core import goodbye
from pygnetic._core.dispatch import Report, log_unraised
from pygnetic._core.loop import Loop, Owner
from pygnetic._core.session import CLOSED, CLOSING, OPEN
from pygnetic._help import checks
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.network.base import Adapter

__all__: list[str] = []

# Events that wait for an update while another end of this program closes; an update takes more in a poll.
_MOST_EARLY = 256


class ClosingLoop(Loop):
    """A loop that ends well."""

    #: What the others read when it is closed.
    last_text = "the client was closed"

    def __init__(self, owner: Owner, name: str, adapter: Adapter, limits: Limits, report: Report) -> None:
        super().__init__(owner, name, adapter, limits, report)
        self._ended = False  # and close() has come to its end
        goodbye.opened(self)

    def close(self, timeout: float) -> None:
        """Close all connections, and free the port; see ``Client.close()``."""
        if self._ended or (self.closed and self.runs(ClosingLoop.close, 2, get_ident())):
            return
        self.refuse_other_thread("close")
        try:
            final = not timeout > 0
        except TypeError:
            raise TypeError(f"close() takes how long to wait, a number of ms, not {timeout!r}") from None
        errors: list[BaseException] = []
        if not self.closed:
            self.check_updated()
            parting = self._say_goodbye(final)
            goodbye.closing(self)
            try:
                goodbye.wait([parting], timeout)
            except BaseException as error:  # a Ctrl-C ends the wait only, and is raised when all is done
                errors.append(error)
            self.closed = True
        self.adapter.close()
        links = list(self.links.values())
        # a CLOSED link that is still here has handlers to call: one of them raised in on_disconnect()
        for link in links + [link for link in self.ready if link.session.state == CLOSED]:
            self.end_link(link)
            errors += self.call_all(link)
        self.forget()
        self._ended = True
        errors.sort(key=lambda error: isinstance(error, Exception))  # what ends the program goes first
        for left_out in errors[1:]:  # only one can be raised
            log_unraised(left_out)
        if errors:
            raise errors[0]

    def forget(self) -> None:
        """Let go of everything."""
        self.ready.clear()
        self.timers.clear()

    def check_updated(self) -> None:
        """Warn a beginner who has never called update()."""
        if not self.updated:
            waiting = sum(link.outbox.messages for link in self.links.values())
            checks.warn_of_no_update(self.name, waiting, bool(self.links), self.lifetime())

    def lifetime(self) -> float:
        """Return how many seconds a server without an update was there."""
        return 0.0

    def _say_goodbye(self, final: bool) -> goodbye.Goodbye:
        """Send everything, and say BYE to everybody.

        :param final: nobody goes on reading here; else the peers to wait for are returned.
        """
        self._flush_all()
        self.take_arrived()  # peers that are gone already are not waited for
        reason = Reason(DisconnectReason.CLOSED)
        waiting = []
        for link in self.links.values():
            waited_for = not link.gone and link.session.state in (OPEN, CLOSING)  # LEAVING: the other end closes
            link.session.close(reason, self.clock(), told=self.last_text, final=final)
            if waited_for:
                link.send_control_packets()
                if not final:
                    link.peer.disconnect()
                    waiting.append(link.peer)
        return goodbye.Goodbye(self.adapter, waiting)

    # -- what the end of the program and a fork do to it (see goodbye.End)

    def overhear(self) -> None:
        """Read what came, for the next update: another end of this program waits for its answer."""
        # not while a handler runs, nor from another thread; a flood waits in the network
        if not self.was_updated_here() or self.closed or sum(map(len, self._arrived)) >= _MOST_EARLY:
            return
        if not self.is_updating():
            self._arrived.extend(starmap(self.adapter.poll, ((),)))

    def depart(self) -> goodbye.Goodbye | None:
        """Say BYE to everybody; None if that is not to be done here."""
        # never updated, it has nobody, and __del__() tells that; a thread that is in update() goes on till the very end
        if not self.updated or self.is_updating():
            return None
        return self._say_goodbye(final=False)

    def bury(self) -> None:
        """Be closed, without a word to handlers."""
        self.closed = self._ended = True
        self.adapter.close()
        self.kill("the program has ended")

    def disown(self) -> None:
        """Be a dead copy: this process is a fork, and the loop belongs to its parent."""
        self.closed = self._ended = True
        self._updating = 0  # the thread that was in it is the parent's
        self.why_closed = "is a copy of the parent process's, made by a fork"
        self.adapter.abandon()
        self.kill(f"its {self.name} {self.why_closed}")

    def kill(self, text: str) -> None:
        """Nobody sends what connections would accept, so they do not."""
        for link in [*self.links.values(), *self.ready]:
            link.session.end(Reason(DisconnectReason.CLOSED, text))
            link.outbox.close()
            link.inbox.drop()
            deque(link.inbox.farewell, 0)
