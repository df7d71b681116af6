"""Run one measured program in this process: ``python -m bench.worker MODULE:FUNCTION [OPTIONS]``.

A program is a generator function. It sets up and yields once: None, or a function to call now and then while other
programs measure, so that its connections live on. Then each yield is one measurement. With ``--serve`` (the runner's
way) one is made for each line on stdin; else ``--rounds`` of them, printed as one JSON line::

    python -m bench.worker bench.peers.by_hand:echo '{"per_tick": 50, "ticks": 100}'
"""

import argparse
import gc
import importlib
import json
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["load", "main"]


def load(function: str) -> Callable[..., Iterator[Any]]:
    """Return the function that ``module:function`` names."""
    module, _, name = function.partition(":")
    found: Callable[..., Iterator[Any]] = getattr(importlib.import_module(module), name)
    return found


def asked(keep_alive: Callable[[], object] | None) -> bool:
    """Wait for a line on stdin; False when there will be none."""
    while keep_alive is not None and not select.select([sys.stdin], [], [], 0.1)[0]:
        keep_alive()
    return bool(sys.stdin.readline())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", help="module:function of a generator function")
    parser.add_argument("options", nargs="?", default="{}", help="what it is called with, as JSON")
    parser.add_argument("--rounds", type=int, default=5, help="how many measurements (5)")
    parser.add_argument("--serve", action="store_true", help="measure once for each line on stdin")
    args = parser.parse_args(argv)
    measurements = load(args.function)(**json.loads(args.options))
    try:
        keep_alive = next(measurements)
        if args.serve:
            print(json.dumps({"ready": True}), flush=True)
            while asked(keep_alive):
                gc.collect()
                print(json.dumps({"value": next(measurements)}), flush=True)
        else:
            values = [next(measurements) for _ in range(args.rounds)]
            print(json.dumps({"function": args.function, "values": values}))
    finally:
        measurements.close()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
