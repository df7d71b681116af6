"""Raises KeyboardInterrupt at each place of the library in turn, where Ctrl-C could."""

from __future__ import annotations

import concurrent.futures
import dis
import itertools
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pygnetic

_PACKAGE = os.path.dirname(pygnetic.__file__) + os.sep
_COMPILED = "<pygnetic message"


# Python looks for signals at the entry of a function, behind a call, and where a loop goes back.
_AFTER = ("RESUME", "CALL", "PRECALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread of its own, and return what it returns.

    What is raised from a trace function leaves traces in CPython: sys.exc_info() goes on telling of it in that thread.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *args).result()


class Interrupter:
    """Calls functions, and interrupts them at a place that was not interrupted before, once until it is armed again.

    :param event: "line" or "opcode"; of the opcodes those before which Python runs signal handlers.
    :param visit: which time a place is come to is interrupted, counted from `arm()`.
    :param spared: the ends of the names of files that are not interrupted.
    """

    def __init__(self, event: str, visit: int = 1, spared: tuple[str, ...] = ()) -> None:
        self.event = event
        self.spared = spared
        self.visit = visit
        self.visits: dict[tuple[Any, ...], int] = {}
        self.seen: set[tuple[Any, ...]] = set()
        self.armed = False  # calls go through
        self.last: tuple[str, str, int] | None = None  # file, function, line
        self._checked: dict[Any, set[int]] = {}

    def arm(self) -> None:
        self.visits.clear()
        self.armed = True

    def __call__(self, function: Callable[..., Any], *args: Any) -> tuple[bool, Any]:
        """Return whether the call was interrupted, and what it returned."""
        if not self.armed:
            return False, function(*args)
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return False, function(*args)
        except KeyboardInterrupt:
            return True, None
        finally:
            sys.settrace(before)

    def _counts(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code not in self._checked:
            names = [(found.offset, found.opname) for found in dis.get_instructions(code)]
            self._checked[code] = {
                offset
                for (_, before), (offset, name) in itertools.pairwise(names)
                if before.startswith(_AFTER) and not name.startswith("CALL")  # PRECALL and CALL are one
            }
        return frame.f_lasti in self._checked[code]

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith((_PACKAGE, _COMPILED)) or code.co_name == "__del__":
            return None  # what is raised in a __del__() is Python's to print
        if code.co_filename.endswith(self.spared):
            return None
        frame.f_trace_opcodes = self.event == "opcode"
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == self.event and self.armed and (event == "line" or self._counts(frame)):
            code = frame.f_code
            place = code.co_filename, code.co_firstlineno, frame.f_lasti if event == "opcode" else frame.f_lineno
            if place in self.seen:
                return self._step
            self.visits[place] = visits = self.visits.get(place, 0) + 1
            if visits == self.visit:
                self.seen.add(place)
                self.armed = False
                self.last = code.co_filename, code.co_name, frame.f_lineno
                raise KeyboardInterrupt
        return self._step
