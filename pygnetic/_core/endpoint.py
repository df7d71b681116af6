"""What Client and Server share: one network adapter, the update loop, the session, deadlines."""

import contextlib
import logging
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, starmap
from operator import length_hint
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from pygnetic import event, network
from pygnetic._core import goodbye, packets
from pygnetic._core.pending import Stranger, Strangers
from pygnetic._core.timers import Deadlines
from pygnetic._help import checks
from pygnetic._help.differences import difference
from pygnetic.connection import CLOSED, CLOSING, CONNECTING, LEAVING, OPEN, Connection
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.handler import Handler, Receivers
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory
from pygnetic.network import base
from pygnetic.network.base import PACKET

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")
_Self = TypeVar("_Self", bound="Endpoint")  # typing.Self came with Python 3.11

# Seconds between two PINGs: ten of them fit into the idle time.
_PING_EVERY = 1.0
# PINGs of so many who joined together are spread over that time, and do not all fall into one frame.
_SPREAD = 64
# When an update comes later than so many seconds after the one before, this process slept, and not its peers: the
# rest of that time does not count as their silence.
_ASLEEP = 1.0
# No poll waits longer, in ms: epoll, which counts them in 32 bits, would take no more than 24 days.
_LONGEST = 3600_000
# After a BYE that says that the other program ends, its last packets are given so many seconds to arrive.
_LAST_WORDS = 0.25
# Why a client closes. It may write anything into its BYE, and no server is to read there that it was full.
_OF_CLIENTS = {
    DisconnectReason.CLOSED,
    DisconnectReason.TIMEOUT,
    DisconnectReason.PROTOCOL_ERROR,
    DisconnectReason.OVERLOADED,
}
# Events that wait for an update while another end of this program closes; an update takes more in a poll.
_MOST_EARLY = 256
# Control packets of one peer in one update: an honest one sends two a second, and this process may sleep for a minute.
_CONTROLS = 256

_SORTED: tuple[list[base.Event], Iterator[base.Event]] = ([], iter(()))


class Endpoint:
    """One end of connections: holds an adapter and does everything in :meth:`update`."""

    #: The network adapter; a subclass can have its own. None is the one that ``pygnetic.init()`` selects.
    n_adapter: Any = None
    #: What a connection may send, hold and take; a subclass can have its own.
    limits: Limits = DEFAULT

    _serving = False
    _elsewhere = ""  # who has what a beginner seeks here

    def __init__(
        self, address: tuple[str, int] | None, conn_limit: int, n_adapter: Any, limits: Limits | None, options: Any
    ) -> None:
        if type(conn_limit) is not int or conn_limit < 1:
            raise ValueError(f"conn_limit is {conn_limit!r}; it is the number of connections, 1 or more")
        n_adapter = self.n_adapter if n_adapter is None else n_adapter
        chosen = network.current_adapter() if n_adapter is None else network.get_adapter(n_adapter)
        adapter_class = network.adapter_class(chosen)
        checks.check_options(type(self), adapter_class, options)
        self.limits = checks.limits_of(limits, self)
        checks.check_unreliable_size(self.limits, adapter_class)
        #: How many connections there can be.
        self.conn_limit = conn_limit
        self._adapter: Any = adapter_class(address, conn_limit, limits=self.limits, **options)
        self._clock: Callable[[], float] = self._adapter.clock
        self._closed = False
        self._ending = "is closed"
        self._ended = False  # and close() has come to its end
        # the thread that is in update(), not trusted, since Ctrl-C can come before it is reset; and that was in it last
        self._updating = self._thread = 0
        self._updated = False  # update() was ever called
        self._io = RLock()  # for the network outside of update()
        self._flushing = 0  # the thread that has it; not trusted either
        self._connections: dict[Any, Connection] = {}  # by peer, until CLOSED was dispatched
        self._strangers = Strangers()
        self._outgoing: dict[Connection, None] = {}  # have something in their boxes
        self._ready: deque[Connection] = deque()  # have something to dispatch
        self._arrived: list[list[base.Event]] = []  # what each poll brought and is not sorted yet
        self._sorting: tuple[list[base.Event], Iterator[base.Event]] = _SORTED  # and how far it is
        self._deadlines = Deadlines()
        self._said: tuple[Any, Iterator[Any]] | None = None  # to whom last what is said once, and its `taking` before
        self._ids = count(1)
        self._controls: dict[Any, int] = {}  # control packets of each peer in this update
        self._receiver_tables: dict[tuple[type, MessageFactory], Receivers] = {}
        self._last_awake = self._clock()  # in update() or connect()
        self._replied = False  # control packets wait for a flush
        self._slept = 0.0  # seconds that nobody called update(), which are not a peer's silence
        self._proxy = weakref.proxy(self)
        goodbye.opened(self)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close(goodbye.PATIENCE)

    if not TYPE_CHECKING:  # or type checkers would believe that there is everything

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property of yours, and in it something else is missing
                return object.__getattribute__(self, name)
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            ours = name.startswith("_") or name in ("address", "conn_limit")
            if ours and "_adapter" not in self.__dict__:
                text += "; an __init__() of your own must call super().__init__() first"
            elif name.startswith("net_") or hasattr(Connection, name):
                text += f"; {self._elsewhere}"
            raise AttributeError(text, name=name, obj=self)

    # -- what a connection asks of its parent

    def _next_id(self) -> int:
        return next(self._ids)

    def _receivers(self, handler: Handler, factory: MessageFactory) -> Receivers:
        """Return how messages reach a handler.

        :raises TypeError: it has a method that cannot be called.
        """
        handler_class = type(handler)
        known = handler_class, factory
        table = self._receiver_tables.get(known)
        if table is None:
            checks.check_class(handler_class, factory)
            checks.warn_of_names(handler, factory)
            table = self._receiver_tables[known] = Receivers(handler_class)
        checks.check_object(handler, factory)
        return table

    def _held(self, messages: int) -> None:
        """A connection that is not open yet has accepted so many messages."""
        if not self._updated:
            checks.warn_of_waiting(type(self).__name__, messages)

    def _full(self) -> bool:
        if len(self._connections) < self.conn_limit:
            return False  # without a look at each: 60 us for everyone of a thousand who join
        # a connection whose CLOSED waits to be dispatched has left, too
        here = (c._state < LEAVING and c.reason is None and c._gone is None for c in self._connections.values())
        return sum(here) >= self.conn_limit

    def _closing(self, connection: Connection) -> None:
        self._deadlines.set(connection, self._clock() + self.limits.close_time)

    def _departs(self, connection: Connection, now: float) -> None:
        """The other end has said BYE, or is gone; what it sent before is still dispatched."""

    # -- the loop

    def handle_error(self, connection: Connection, error: Exception) -> None:
        """Called when a handler raised; raises the error out of ``update()`` unless you override it.

        :param connection: whose message or happening the handler got.
        :param error: what it raised. Whatever you do, nothing else is lost: the next ``update()`` goes on.
        """
        raise error

    def _handle(self, connection: Connection, error: Exception) -> None:
        """Say first, if a handler was asked for it, who has what is missing there."""
        # __getattr__ in Handler would do it too, and take 30 ns of each attribute
        asked: Any = getattr(error, "obj", None)
        # not isinstance(): that asks a proxy, which may be one of what is gone
        if isinstance(error, AttributeError) and issubclass(type(asked), Handler) and isinstance(error.name, str):
            server = self if self._serving else None
            hint = "" if asked.connection is None else checks.who_has(error.name, connection, server)
            if hint:
                error.args = (f"{error}; {hint}",)
                error.obj = None  # or Python would suggest a near name, and this would be said twice
        elif hint := checks.key_hint(error):
            error.args = (f"{error}; {hint}",)
        self.handle_error(connection, error)

    def update(self, timeout: float = 0) -> None:
        """Send, receive, and call handlers; call it once a frame.

        :param timeout: how long to wait for something to arrive, in ms; 0 returns at once.
        :raises RuntimeError: called from within a handler, while another thread is in it, or after ``close()``.

        Exceptions that your handlers raise come out of here (see :meth:`handle_error`).
        """
        if self._updating:
            self._refuse_other_thread("update")
            if self._runs(Endpoint.update, 2):
                raise RuntimeError("update() was called from inside a handler; call it only in your main loop")
        if self._closed:
            raise self._closed_error()
        self._updating = self._thread = get_ident()
        self._updated = True
        try:
            if self._flushing and self._flushing != self._updating:
                with self._io:  # another thread is just at it: a moment
                    pass
            if self._outgoing:
                self._flush()
            if self._arrived:
                self._take_arrived()
            timeout = self._bounded(timeout) if timeout else 0
            self._arrived.extend(map(self._adapter.poll, (timeout,)))  # returned and kept in one step
            now = self._clock()
            self._awake(now, timeout / 1000)
            if self._arrived[0]:
                self._take(now)
            else:
                self._arrived.clear()
            if self._deadlines.next <= now:
                self._judge(now)
            if self._ready:
                self._dispatch()
        finally:
            if (self._outgoing or self._replied) and not self._closed:
                self._replied = False
                self._flush()
                self._adapter.flush()
            self._updating = 0

    def _awake(self, now: float, waited: float = 0.0) -> None:
        """Take note that this process is awake; if it slept, whoever was to answer gets that time on top.

        :param waited: seconds that it waited for the network.
        """
        slept = now - self._last_awake - waited - _ASLEEP
        if slept > 0:
            self._slept += slept
        self._last_awake = now
        if slept > 0:
            for connection in self._connections.values():
                if connection._state != OPEN:  # who is open is judged by when it was heard
                    self._deadlines.set(connection, connection._due + slept)

    def _closed_error(self) -> RuntimeError:
        return RuntimeError(f"this {type(self).__name__} {self._ending}; make a new one")

    def _refuse_other_thread(self, name: str) -> None:
        """:raises RuntimeError: another thread is in update()."""
        if self._updating and self._updating != get_ident() and self._runs(Endpoint.update):
            raise self._other_thread(name)

    def _other_thread(self, name: str) -> RuntimeError:
        return RuntimeError(
            f"{name}() was called while another thread is in update(); use a {type(self).__name__} in one thread "
            "only, and hand things over with a queue.Queue"
        )

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keep other threads from the network.

        :raises RuntimeError: one is in update().
        """
        if not self._io.acquire(blocking=False):
            raise self._other_thread(name)
        try:
            # update() sets its mark and then looks for this one, so one of the two sees the other
            self._flushing = get_ident()
            self._refuse_other_thread(name)
            yield
        finally:
            self._flushing = 0
            self._io.release()

    def _runs(self, method: Callable[..., None], times: int = 1, thread: int = 0) -> bool:
        """Whether a thread, or the one that was last in update(), is in a method of this object, so many times."""
        frame = sys._current_frames().get(thread or self._updating)
        while frame is not None and times:
            times -= frame.f_code is method.__code__ and frame.f_locals.get("self") is self
            frame = frame.f_back
        return not times

    def _bounded(self, timeout: float) -> float:
        """Return how many ms a poll may wait: no deadline is missed, and nothing that is there already waits."""
        if self._ready:
            return 0
        try:
            return max(0.0, min(timeout, _LONGEST, (self._deadlines.next - self._clock()) * 1000))
        except TypeError:
            raise TypeError(f"update() takes how long to wait, a number of ms, not {timeout!r}") from None

    def _flush(self) -> None:
        outgoing = self._outgoing
        for connection in list(outgoing):
            outbox = connection._outbox
            if outbox.flush():
                connection._overload(outbox.refused)
            outgoing.pop(connection, None)
            if any(outbox.boxes) and outbox.flowing:  # another thread has just added something
                outgoing.setdefault(connection)

    def _unsorted(self) -> list[base.Event]:
        """Return the events that Ctrl-C kept from being sorted; the first of them may be half done."""
        events, rest = self._sorting
        at = len(events) - length_hint(rest) - 1
        if at < 0:
            return events
        connection = self._connections.get(events[at][1])
        if connection is not None:
            if connection._inbox.has(events[at]):
                self._wake(connection)
                at += 1
            elif connection._opened_by is events[at] and connection._state != CONNECTING:
                self._strangers.pop(connection._peer, None)
                at += 1
        events = self._arrived[0] = events[at:]
        return events

    def _say_once(self, peer: Any, packet: bytes) -> None:
        """Send a control packet that the other end takes once only, whatever is done again after Ctrl-C."""
        if self._said is None or self._said[0] is not peer:
            self._said = peer, peer.taking
        if peer.taking is self._said[1] or length_hint(peer.taking):
            peer.send(packet)

    def _take(self, now: float) -> None:
        """Sort what the adapter brought; no user code runs here."""
        if self._controls:
            self._controls.clear()
        find = self._connections.get
        ready = self._ready
        heard = now - self._slept
        events = self._arrived[0]
        if events is self._sorting[0]:
            events = self._unsorted()
        turn = iter(events)
        self._sorting = events, turn
        for happened in turn:
            kind, peer, packet, info = happened
            connection = find(peer)
            if connection is None:
                self._take_stranger(kind, peer, packet, info, now)
            elif kind == PACKET:
                inbox = connection._inbox
                inbox.heard = heard
                if packet and packet[0] == packets.MARK:
                    if connection._state < LEAVING:
                        self._take_control(connection, packet, now)
                elif inbox.open and inbox.put(happened):
                    if not inbox.queued:
                        ready.append(connection)
                        inbox.queued = True
                elif connection._receive(happened):
                    self._wake(connection)
            elif kind == base.CLOSED:
                if connection._state == CONNECTING:  # never welcomed: what came is nobody's
                    connection._inbox.drop()
                connection._gone = info
                connection._outbox.shut()
                self._departs(connection, now)
                self._wake(connection)
            else:
                self._opened(connection)
        del self._arrived[0]
        self._sorting = _SORTED

    def _take_arrived(self) -> None:
        """Sort what Ctrl-C kept from being sorted, and what came while another end of this program waited."""
        while self._arrived:
            self._take(self._clock())

    def _take_control(self, connection: Connection, packet: bytes, now: float) -> None:
        if self._is_flood(connection._peer):
            connection._flooded(f"more than {_CONTROLS} control packets came at once")
            return
        try:
            self._control(connection, packet, now)
        except DecodeError as error:
            connection._close(Reason(DisconnectReason.PROTOCOL_ERROR, packets.printable(str(error))))

    def _is_flood(self, peer: Any) -> bool:
        """Count a control packet, which nothing else bounds; True if the peer sent too many of them in this update."""
        self._controls[peer] = count = self._controls.get(peer, 0) + 1
        return count > _CONTROLS

    def _wake(self, connection: Connection) -> None:
        if not connection._inbox.queued:
            self._ready.append(connection)
            connection._inbox.queued = True

    def _dispatch(self) -> None:
        """Call user code: each connection that has something gets a turn, and who raised goes last next time."""
        post = event.post
        ready, handle_error = self._ready, self._handle
        for _ in range(len(ready)):
            ready.rotate(-1)
            connection = ready[-1]  # and it stays there until all is done
            inbox = connection._inbox
            try:
                done = inbox.dispatch(connection, post, handle_error)
                if done and (connection._gone is not None or connection._state == CLOSED):
                    self._end(connection)
                    inbox.run(inbox.farewell, connection, handle_error)
            except BaseException:
                if self._closed:  # there is no next update
                    for error in self._call_all(connection):
                        _log_unraised(error)
                raise
            if self._closed:
                return
            if done:
                inbox.queued = False
                ready.pop()

    def _call_all(self, connection: Connection) -> list[BaseException]:
        """Tell each handler of the end, whatever others raise; return what they did."""
        errors: list[BaseException] = []
        while length_hint(connection._inbox.farewell):
            try:
                connection._inbox.run(connection._inbox.farewell, connection, self._handle)
            except BaseException as error:  # sys.exit() and Ctrl-C included
                if not (type(error) is RuntimeError and error.args == self._closed_error().args):
                    errors.append(error)  # and not from a handler that always connects again
        return errors

    def _last_calls(self, connection: Connection) -> list[Callable[[], Any]]:
        """Return the calls that tell of the end of a connection."""
        posts: list[Callable[[], Any]] = []
        if event.post is not None:
            posts.append(partial(event.post, event.NET_DISCONNECTED, connection, reason=connection.reason))
        return posts + connection._inbox.each("on_disconnect")

    def _end(self, connection: Connection) -> None:
        """Close a connection, and have its handlers told; harmless when repeated."""
        if connection._state != CLOSED:
            if connection.reason is None:
                code = connection._gone or DisconnectReason.LOST
                connection.reason = Reason(code, self._explain(connection, code))
            connection._outbox.shut()
            connection._inbox.drop()
            connection._inbox.farewell = iter(self._last_calls(connection))
            connection._state = CLOSED  # from here on they are made
        connection._due = 0.0
        self._connections.pop(connection._peer, None)
        connection._hand_over()

    def _explain(self, connection: Connection, code: DisconnectReason) -> str:
        title = self._adapter.title
        if code == DisconnectReason.UNREACHABLE:
            text = f"nobody answered at {base.written(connection.address)} over {title}. Is the server running? "
            text += "Is its port open in the firewall?"
            if other := getattr(self._adapter, "other", ""):
                text += f" Or is it on the {other} adapter? Then clients need n_module={other!r} in init()"
            return text
        if code == DisconnectReason.PROTOCOL_ERROR:
            return f"a packet over {self.limits.packet_size} bytes (Limits.packet_size), or none of ours, came"
        if connection._state == CONNECTING:
            return (
                "the other end hung up before it let us in; is it a pygnetic server, and was update() called within "
                "5 s of connect()?"
            )
        return (
            "the connection broke: the other program ended or was restarted without a word, or one of the two stood "
            "still for more than 5 s"
        )

    # -- the session

    def _opened(self, connection: Connection) -> None:
        """The adapter can send to a peer that we connected to: say HELLO."""
        self._replied = True
        factory = connection._factory
        self._say_once(connection._peer, packets.hello(factory.get_hash(), factory.s_adapter.wire_name))

    def _control(self, connection: Connection, packet: bytes, now: float) -> None:
        """:raises DecodeError: it is no control packet, or not one that belongs here."""
        self._replied = True
        kind = packet[1] if len(packet) > 1 else 0
        if kind == packets.PING:
            connection._peer.send(packets.pong(packet), reliable=False, ordered=False)
        elif kind == packets.PONG:
            rtt = packets.read_pong(packet, now)
            connection._meter.answered(packets.stamp(packet), rtt * 1000)
        elif kind == packets.BYE:
            reason, final = packets.read_bye(packet)
            if self._serving and reason.code not in _OF_CLIENTS:
                reason = Reason(DisconnectReason.CLOSED, reason.text)
            self._deadlines.set(connection, now + (_LAST_WORDS if final else self.limits.close_time))
            connection._left(reason)
            self._departs(connection, now)
        elif connection._state == CONNECTING and kind == packets.WELCOME and len(packet) == 2:
            self._begin(connection, now)
        elif connection._state == CONNECTING and kind == packets.REFUSE:
            reason, description = packets.read_refuse(packet)
            if description:
                text = difference(description, connection._factory.description())
                reason = Reason(reason.code, packets.printable(text))
            self._deadlines.set(connection, now + self.limits.close_time)
            connection._left(reason)
        else:
            raise DecodeError(f"control packet {kind} does not belong here")

    def _begin(self, connection: Connection, now: float) -> None:
        """A connection is open: from now on it is the user's."""
        connection._inbox.open = True
        connection._inbox.heard = now - self._slept
        self._deadlines.set(connection, now + connection.id % _SPREAD / _SPREAD * _PING_EVERY)
        connection._outbox.open()
        connection._inbox.agenda = iter(()), partial(self._welcomed, connection)
        if connection._outbox.messages:
            self._outgoing.setdefault(connection)
        self._wake(connection)
        events, rest = self._sorting
        connection._opened_by = events[len(events) - length_hint(rest) - 1]
        connection._state = OPEN  # last: if Ctrl-C comes before, all of it is done again

    def _welcomed(self, connection: Connection) -> None:
        """Have the user told of a new connection; runs in the dispatch, and again if it was interrupted."""
        connection._opened_by = None
        posts: list[Callable[[], Any]] = []
        if event.post is not None:
            posts.append(partial(event.post, event.NET_CONNECTED, connection))
        connection._inbox.agenda = iter(posts + connection._inbox.each("on_connect")), None

    def _take_stranger(self, kind: int, peer: Any, packet: bytes, info: Any, now: float) -> None:
        """A client has no strangers; what a peer it dropped still sends is nobody's."""

    # -- deadlines

    def _judge(self, now: float) -> None:
        """Do what is due: PINGs, and those who took too long. After poll(), so that nobody pays for our sleep."""
        for target in self._deadlines.take(now):
            if isinstance(target, Stranger):
                self._expire(target)
            elif target._ending is not None and target._state < CLOSING:  # Ctrl-C came into its _close()
                target._close(*target._ending)
            elif target._state == OPEN:
                if target._gone is None:  # else what it sent before is handled first
                    self._keep_in_touch(target, now)
            elif target._state == CONNECTING:
                unreachable = DisconnectReason.UNREACHABLE
                target.reason = Reason(unreachable, self._explain(target, unreachable))
                target._peer.abort()
            elif target._state != CLOSED:
                target._peer.abort()

    def _expire(self, stranger: Stranger) -> None:
        stranger.peer.abort()

    def _keep_in_touch(self, connection: Connection, now: float) -> None:
        end = connection._inbox.heard + self._slept + self.limits.idle_time
        if now >= end:
            text = f"nothing was heard for {self.limits.idle_time:g} s (Limits.idle_time)"
            connection._close(Reason(DisconnectReason.TIMEOUT, text), now=True)
            return
        self._replied = True
        ping = packets.ping(now)
        # in order, one that a message overtakes would be thrown away, and be called lost
        connection._peer.send(ping, reliable=False, ordered=False)
        connection._meter.pinged(packets.stamp(ping), now, connection._totals())
        self._deadlines.set(connection, min(now + _PING_EVERY, end))

    # -- the end

    def close(self, timeout: float = 0) -> None:
        """Say goodbye, call every ``on_disconnect()``, free the port. Harmless when repeated.

        :param timeout: how long to wait at most, in ms, until everything that was sent has arrived and each other end
            has closed, too; 0 does not wait. What comes meanwhile is dropped.

        The end of ``with`` waits for up to a second, and so does Python's end for what is still open then.
        """
        if self._ended or (self._closed and self._runs(Endpoint.close, 2, get_ident())):
            return
        self._refuse_other_thread("close")
        try:
            final = not timeout > 0
        except TypeError:
            raise TypeError(f"close() takes how long to wait, a number of ms, not {timeout!r}") from None
        errors: list[BaseException] = []
        if not self._closed:
            self._check_updated()
            parting = self._say_goodbye(final)
            goodbye.closing(self)
            try:
                goodbye.wait([parting], timeout)
            except BaseException as error:  # a Ctrl-C ends the wait only, and is raised when all is done
                errors.append(error)
            self._closed = True
        self._adapter.close()
        connections = list(self._connections.values())
        # of who is CLOSED and still here, one handler raised in on_disconnect() and others are to be told
        for connection in connections + [left for left in self._ready if left._state == CLOSED]:
            self._end(connection)
            errors += self._call_all(connection)
        self._strangers.clear()
        self._ready.clear()
        self._deadlines.clear()
        self._ended = True
        errors.sort(key=lambda error: isinstance(error, Exception))  # what ends the program goes first
        for left_out in errors[1:]:  # only one can be raised
            _log_unraised(left_out)
        if errors:
            raise errors[0]

    def _check_updated(self) -> None:
        if not self._updated:
            waiting = sum(connection._outbox.messages for connection in self._connections.values())
            lived = self._clock() - self._last_awake if self._serving else 0.0
            checks.warn_of_no_update(type(self).__name__, waiting, bool(self._connections), lived)

    def __del__(self) -> None:
        # who forgot update() has often forgotten close(); a Client that could not be made has nothing to say
        try:
            if self.__dict__.get("_closed", True):
                return
            self._check_updated()
            text = f"its {type(self).__name__} is gone, since nothing refers to it; keep it in a variable"
            self._kill(text)
        except Exception:  # Python ends, and what this needs is gone already
            return

    def _say_goodbye(self, final: bool) -> goodbye.Goodbye:
        """Send everything, and say BYE to everybody.

        :param final: nobody goes on reading here; else return who is to be waited for.
        """
        self._flush()
        self._take_arrived()  # who is gone already is not waited for
        code, text = DisconnectReason.CLOSED, "the client was closed"
        if self._serving:
            code, text = DisconnectReason.KICKED, "the server was closed"
        bye = packets.bye(Reason(code, text), final, self.limits.packet_size)
        waiting = []
        for connection in self._connections.values():
            connection.reason = connection.reason or Reason(DisconnectReason.CLOSED)
            if connection._gone is None and connection._state in (OPEN, CLOSING):  # LEAVING: the other end closes
                if connection._state == OPEN:
                    connection._peer.send(bye)
                if not final:
                    connection._peer.disconnect()
                    waiting.append(connection._peer)
        return goodbye.Goodbye(self._adapter, waiting)

    def _overhear(self) -> None:
        # not while a handler runs, nor from another thread; a flood waits in the network
        if self._thread != get_ident() or self._closed or sum(map(len, self._arrived)) >= _MOST_EARLY:
            return
        if not (self._updating and self._runs(Endpoint.update)):
            self._arrived.extend(starmap(self._adapter.poll, ((),)))

    # -- what the end of the program and a fork do to it (see goodbye.End)

    def _depart(self) -> goodbye.Goodbye | None:
        # never updated, it has nobody, and __del__() tells that; a thread that is in update() goes on till the very end
        if not self._updated or (self._updating and self._runs(Endpoint.update)):
            return None
        return self._say_goodbye(final=False)

    def _bury(self) -> None:
        self._closed = self._ended = True
        self._adapter.close()
        self._kill("the program has ended")

    def _disown(self) -> None:
        self._closed = self._ended = True
        self._updating = 0  # the thread that was in it is the parent's
        self._ending = "is a copy of the parent process's, made by a fork"
        self._adapter.abandon()
        self._kill(f"its {type(self).__name__} {self._ending}")

    def _kill(self, text: str) -> None:
        """Nobody sends what connections would accept, so they do not."""
        for connection in [*self._connections.values(), *self._ready]:
            connection.reason = connection.reason or Reason(DisconnectReason.CLOSED, text)
            connection._state = CLOSED
            connection._outbox.shut()
            connection._inbox.drop()
            deque(connection._inbox.farewell, 0)


def _log_unraised(error: BaseException) -> None:
    _logger.error("close(): another handler raised in on_disconnect()", exc_info=error)
