"""Runs the examples as a reader starts them: each in its own process, on 127.0.0.1."""

from __future__ import annotations

import os
import queue
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pygnetic as net

EXAMPLES = Path(__file__).parent.parent / "examples"
LOCAL = "127.0.0.1"
PATIENCE = 20.0  # seconds; a deadline for slow machines, nothing takes so long


def free_port() -> int:
    """Return a port that is free for TCP and UDP, for what cannot take port 0, or must find nobody there.

    It is below those that systems give to whoever asks for any (Linux from 32768 on, others from 49152), so that nobody
    else gets it in the meantime.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)  # two runs at once, of the same seed, differ
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("", port))
                udp.bind(("", port))
            except OSError:
                continue
        return port


class Program:
    """A running example. Its output ends only when it and all the processes it started have ended."""

    def __init__(self, *command: object, path: Path | None = None) -> None:
        found = [str(path)] if path else []
        found += [str(EXAMPLES), str(Path(net.__file__).parent.parent)]
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYTHONUNBUFFERED": "1"}
        environment.update(PYTHONPATH=os.pathsep.join(found), PYTHONIOENCODING="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=environment,
        )
        self.output = ""
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the match of the first new line in which a pattern is found."""
        deadline = time.monotonic() + PATIENCE
        while line := self._next(deadline, pattern):
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no {pattern!r} in:\n{self.output}")

    def _next(self, deadline: float, wanted: str) -> str:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no {wanted} in time; it said:\n{self.output}") from None
        self.output += line
        return line

    def end(self) -> int:
        """Wait until this and all the processes that it started have ended, and return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._next(deadline, "end"):
            pass
        code = self.process.wait(PATIENCE)
        assert "Traceback" not in self.output, self.output
        return code

    def interrupt(self) -> None:
        if sys.platform == "win32":
            self.process.kill()
        else:
            self.process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
