"""One thread at a time: which one is in update(), and which one may use the network outside of it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from threading import RLock, get_ident

__all__: list[str] = []


class OneThread:
    """What only one thread may run at a time.

    Its marks are not trusted where they matter, since Ctrl-C can come before one is reset: the frames that a thread is
    in are looked at then.

    :param name: the class that the user knows, for error texts.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._updating = 0  # the thread that is in update()
        self._last_thread = 0  # the thread that was in it last
        self._using = 0  # the thread that uses the network outside of update()
        self._network = RLock()

    def update(self, timeout: float) -> None:
        """Do everything once."""
        raise NotImplementedError

    def refuse_update(self) -> None:
        """:raises RuntimeError: another thread is in update(), or this one is in a handler that it has called."""
        self.refuse_other_thread("update")
        if self.runs(type(self).update, 2):
            raise RuntimeError("update() was called from inside a handler; call it only in your main loop")

    def wait_for_others(self) -> None:
        """Wait a moment for a thread that uses the network just now."""
        if self._using != self._updating:
            with self._network:
                pass

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keep other threads from the network.

        :param name: the method that was called.
        :raises RuntimeError: another thread is in update().
        """
        if not self._network.acquire(blocking=False):
            raise self._other_thread(name)
        try:
            # update() sets its mark and then looks for this one, so one of the two sees the other
            self._using = get_ident()
            self.refuse_other_thread(name)
            yield
        finally:
            self._using = 0
            self._network.release()

    def refuse_other_thread(self, name: str) -> None:
        """:raises RuntimeError: another thread is in update()."""
        if self._updating and self._updating != get_ident() and self.is_updating():
            raise self._other_thread(name)

    def is_updating(self) -> bool:
        """Whether a thread is in update()."""
        return bool(self._updating) and self.runs(type(self).update)

    def was_updated_here(self) -> bool:
        """Whether this thread was in update() last."""
        return self._last_thread == get_ident()

    def runs(self, method: Callable[..., None], times: int = 1, thread: int = 0) -> bool:
        """Whether a thread, or the one that was last in update(), is in a method of this object, ``times`` deep."""
        frame = sys._current_frames().get(thread or self._updating)
        while frame is not None and times:
            times -= frame.f_code is method.__code__ and frame.f_locals.get("self") is self
            frame = frame.f_back
        return not times

    def _other_thread(self, name: str) -> RuntimeError:
        return RuntimeError(
            f"{name}() was called while another thread is in update(); use a {self.name} in one thread "
            "only, and hand things over with a queue.Queue"
        )
