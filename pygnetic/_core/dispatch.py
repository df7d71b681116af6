"""Calling user code: what has come is handed to handlers and pygame events, a turn for each connection."""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from operator import length_hint

from pygnetic import event
from pygnetic._core.guard import OneThread
from pygnetic._core.link import Link
from pygnetic._core.session import CLOSED
from pygnetic._core.timers import TimerQueue
from pygnetic._help import checks
from pygnetic.connection import Connection
from pygnetic.errors import Reason
from pygnetic.handler import Handler, Receivers
from pygnetic.message import MessageFactory
from pygnetic.network.base import Peer

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")

Call = Callable[[], object]
Report = Callable[[Connection, Exception], None]


class Dispatcher(OneThread):
    """Calls handlers.

    :param name: the Client or Server in error texts.
    :param report: called with a connection and what one of its handlers raised.
    """

    def __init__(self, name: str, report: Report) -> None:
        super().__init__(name)
        self.closed = False
        self.why_closed = "is closed"
        self.links: dict[Peer, Link] = {}  # until CLOSED was dispatched
        self.timers: TimerQueue[Link] = TimerQueue()
        self.ready: deque[Link] = deque()  # have something to dispatch
        self._report = report
        self._receivers: dict[tuple[type, MessageFactory], Receivers] = {}

    def close_link(self, link: Link, reason: Reason) -> None:
        """Begin to close a connection from this side."""
        raise NotImplementedError

    def receivers(self, handler: Handler, factory: MessageFactory) -> Receivers:
        """Return how messages reach a handler.

        :raises TypeError: it has a method that cannot be called.
        """
        handler_class = type(handler)
        known = handler_class, factory
        table = self._receivers.get(known)
        if table is None:
            checks.check_class(handler_class, factory)
            checks.warn_of_names(handler, factory)
            table = self._receivers[known] = Receivers(handler_class)
        checks.check_object(handler, factory)
        return table

    def closed_error(self) -> RuntimeError:
        """Return the error of whoever goes on after the end."""
        return RuntimeError(f"this {self.name} {self.why_closed}; make a new one")

    def mark_ready(self, link: Link) -> None:
        """Dispatch what a link has in this update."""
        if not link.inbox.queued:
            self.ready.append(link)
            link.inbox.queued = True

    def announce(self, link: Link) -> None:
        """Tell the user of a new connection; runs in the dispatch, and again if it was interrupted."""
        posts: list[Call] = []
        if event.post is not None:
            posts.append(partial(event.post, event.NET_CONNECTED, link.connection))
        link.inbox.agenda = iter(posts + link.inbox.each("on_connect")), None

    def last_calls(self, link: Link) -> list[Call]:
        """Return the calls that tell of the end of a connection."""
        posts: list[Call] = []
        if event.post is not None:
            reason = link.session.reason
            posts.append(partial(event.post, event.NET_DISCONNECTED, link.connection, reason=reason))
        return posts + link.inbox.each("on_disconnect")

    def dispatch(self) -> None:
        """Call user code: each connection that has something gets a turn, and who raised goes last next time."""
        post = event.post
        ready, report = self.ready, self._report
        for _ in range(len(ready)):
            ready.rotate(-1)
            link = ready[-1]  # and it stays there until all is done
            inbox = link.inbox
            try:
                done = inbox.dispatch(link.connection, post, report)
                if inbox.fault is not None:
                    self.close_link(link, inbox.fault)
                if done and link.gone:
                    self.end_link(link)
                    inbox.run(inbox.farewell, link.connection, report)
            except BaseException:
                if self.closed:  # there is no next update
                    for error in self.call_all(link):
                        log_unraised(error)
                raise
            if self.closed:
                return
            if done:
                inbox.queued = False
                ready.pop()

    def call_all(self, link: Link) -> list[BaseException]:
        """Tell each handler of the end, whatever others raise; return what they did."""
        errors: list[BaseException] = []
        while length_hint(link.inbox.farewell):
            try:
                link.inbox.run(link.inbox.farewell, link.connection, self._report)
            except BaseException as error:  # sys.exit() and Ctrl-C included
                if not (type(error) is RuntimeError and error.args == self.closed_error().args):
                    errors.append(error)  # and not from a handler that always connects again
        return errors

    def end_link(self, link: Link) -> None:
        """Close a connection, and have its handlers told; harmless when repeated."""
        assert link.connection is not None
        if link.session.state != CLOSED:
            link.outbox.close()
            link.inbox.end(iter(self.last_calls(link)))
            link.gone = True
            link.session.end()  # from here on they are called
        self.timers.set(link, inf)
        self.links.pop(link.peer, None)
        link.inbox.release(link.connection)


def log_unraised(error: BaseException) -> None:
    """Log what a handler raised at the end, of which only one error can be raised."""
    _logger.error("close(): another handler raised in on_disconnect()", exc_info=error)
