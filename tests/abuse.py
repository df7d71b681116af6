"""What the abuse tests share: memory and descriptors of this process, frames of 60 Hz, other processes."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

TESTS = Path(__file__).resolve().parent
MB = 1_000_000
T = TypeVar("T")

# Other programs may have the processors just now: so many seconds by the clock beyond what is promised make no test
# fail. The figure tells what was measured.
PATIENCE = 5
# Since Linux 6.2 each processor keeps up to so many pages to itself before it adds them to those of a process
# (percpu_counter_batch): that much of a counter may be too much or missing, a quarter of a megabyte on two cores. A
# resident size is the sum of three counters (of anonymous pages, of files', of shared memory), and what grew is the
# difference of two. Mostly one counter changes; where nothing but the instrument is looked at, expect 6 of them.
MISCOUNTED = max(32, 2 * (os.cpu_count() or 1)) * (os.cpu_count() or 1) * 4096

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc/self/statm")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and processes")


def memory() -> int:
    """Return the resident bytes of this process; what is free goes back to the system first, so that nothing hides."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def megabytes(size: float) -> str:
    return f"{size / MB:+.1f} MB"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def longest(values: Sequence[float]) -> float:
    """Return the longest time but for three: a virtual machine's host may give our processor to others meanwhile."""
    return sorted(values)[-4]


def best_of(measure: Callable[[], T], good: Callable[[T], bool], tries: int = 3) -> T:
    """Measure until it is good, at most so many times; return the last. A busy machine makes us slow, never fast."""
    for _ in range(tries):
        if good(result := measure()):
            break
    return result


def frames(seconds: float, rate: float = 60.0) -> Iterator[int]:
    """Yield the number of each frame when its time has come, for so many seconds, as a game loop does."""
    start = time.monotonic()
    number = 0
    while (now := time.monotonic()) - start < seconds:
        due = start + number / rate
        if now < due:
            time.sleep(due - now)
        else:
            start += now - due  # a machine that was busy: frames that were missed are not caught up with
        yield number
        number += 1


class Child:
    """A Python process that runs a script of this directory; its lines are read without waiting."""

    def __init__(self, script: str, *arguments: Any) -> None:
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(TESTS), *sys.path]))
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._text = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def lines(self) -> list[str]:
        """Everything printed so far."""
        assert self.process.stdout is not None
        self._text += self.process.stdout.read() or b""
        return self._text.decode().splitlines()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Keep Python's garbage collector from walking over all that pytest and its plugins hold, while times are taken."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def spent(action: Callable[[], object]) -> float:
    """Return the milliseconds of processor time that an action takes in this thread, whatever else the machine does."""
    start = time.thread_time()
    action()
    return (time.thread_time() - start) * 1000


class Growth:
    """How much memory what happens in a `with` block took at its worst, and what it left: bytes over the start.

    The kernel keeps the highest resident size of a process, and resets it on request (Linux, proc(5), clear_refs).
    """

    def __enter__(self) -> Growth:
        self._before = memory()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return self

    def __exit__(self, *exc_info: object) -> None:
        with open("/proc/self/status") as file:
            peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
        self.peak = peak - self._before
        self.left = memory() - self._before
