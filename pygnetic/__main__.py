"""The command line: ``python -m pygnetic doctor``, ``ping`` and ``demo``."""

import argparse
import sys
from collections.abc import Callable, Generator
from typing import Any

import pygnetic
from pygnetic._cli import demo, doctor, ping, registered
from pygnetic.network.base import check_host

__all__ = ["main"]

_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended

_EXAMPLES = """\
examples:
  python -m pygnetic doctor                        is all here well, and what do I tell my friend?
  python -m pygnetic ping 192.168.1.7 10000        does that server answer, over which adapter, how fast?
  python -m pygnetic ping --hello localhost 10000  which messages does it expect?
  python -m pygnetic demo                          a small game with three bots
  python -m pygnetic demo --join 192.168.1.7       the same on a friend's server

exit codes:
  0    all is well
  1    doctor: something is wrong; ping: no server answered; demo: it could not begin
  2    wrong arguments, or a host that does not resolve
  3    ping: the server would not let you in: it is full, or has another protocol version or other messages
  130  ended by Ctrl-C
"""


def _parser() -> argparse.ArgumentParser:
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m pygnetic",
        description="Find out why two computers do not meet, or play the demo.",
        epilog=_EXAMPLES,
        formatter_class=kind,
    )
    parser.add_argument("--version", action="version", version=f"pygnetic {pygnetic.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="doctor, ping or demo")

    doctor = commands.add_parser(
        "doctor",
        help="what is installed, what works here, what to tell a friend",
        description="Say what is installed, whether a server could listen here, and what to tell a friend.",
        epilog="example:\n  python -m pygnetic doctor --port 10000\n\nexit codes: 0 all is well, 1 something is wrong",
        formatter_class=kind,
    )
    doctor.add_argument("--port", type=_port, default=10000, help="the port your server will use (10000)")

    ping = commands.add_parser(
        "ping",
        help="does a server answer, and if not, why",
        description="Ask a pygnetic server whether it is there, over each adapter. The game's messages are not needed.",
        epilog="examples:\n"
        "  python -m pygnetic ping 192.168.1.7 10000\n"
        "  python -m pygnetic ping --adapter socket ::1 10000\n"
        "  python -m pygnetic ping --hello localhost 10000\n"
        "  python -m pygnetic ping --with messages.py localhost 10000\n\n"
        "exit codes: 0 it answers, 1 nobody answers, 2 the host does not resolve or an argument is wrong,\n"
        "            3 it would not let you in: it is full, or has other messages than FILE",
        formatter_class=kind,
    )
    ping.add_argument("host", metavar="HOST", type=_host, help="a name or an address")
    ping.add_argument("port", metavar="PORT", type=_port)
    ping.add_argument("--adapter", choices=["enet", "socket"], help="try only this one")
    ping.add_argument("--count", type=_count, default=5, metavar="N", help="how many times (5)")
    ping.add_argument("--interval", type=_seconds, default=0.2, metavar="S", help="seconds between two (0.2)")
    ping.add_argument("--timeout", type=_seconds, default=2.0, metavar="S", help="seconds to wait for an answer (2)")
    ping.add_argument("--hello", action="store_true", help="show which messages the server has")
    ping.add_argument(
        "--with",
        dest="mine",
        type=_messages,
        metavar="FILE",
        help="run a file that registers messages, and compare them with the server's",
    )

    commands.add_parser("demo", help="play the arena, a small game; demo --help lists its options", add_help=False)
    return parser


def _number(text: str, kind: Callable[[str], float], what: str, low: float, high: float) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}; that is a number from {low} to {high}")
    return number


def _host(text: str) -> str:
    scheme, slashes, _ = text.partition("://")
    if slashes:
        raise argparse.ArgumentTypeError(f"{text!r}: write the host without {scheme}://")
    try:
        check_host(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error.strerror)) from None
    return text


def _port(text: str) -> float:
    return _number(text, int, "port", 1, 65535)


def _count(text: str) -> float:
    return _number(text, int, "count", 1, 1_000_000)


def _seconds(text: str) -> float:
    return _number(text, float, "time", 0, 3600)


def _messages(path: str) -> str:
    try:
        return registered.description(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _say(lines: Generator[str, None, int]) -> int:
    """Print lines as they come, and return the exit code at their end."""
    try:
        while True:
            print(next(lines), flush=True)
    except StopIteration as end:
        code: int = end.value
        return code
    except KeyboardInterrupt as interrupt:
        print(lines.throw(interrupt), flush=True)  # if it came while we printed: ping still tells what it has counted
        raise
    finally:
        lines.close()


def main(argv: list[str] | None = None) -> Any:
    """Run a command line; return what ``sys.exit()`` shall get.

    :param argv: the arguments; those of the process by default.
    """
    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # no letter that a server sends may stop print()
    try:
        if arguments[:1] == ["demo"]:  # the arena has its own options
            return demo.demo(arguments[1:])
        parser = _parser()
        if not arguments:
            needed = "the following arguments are required: doctor, ping or demo"
            parser.exit(2, f"{parser.format_help()}\n{parser.prog}: error: {needed}\n")
        args = parser.parse_args(arguments)
        if args.command == "doctor":
            return _say(doctor.doctor(pygnetic.__version__, args.port, ping.answers))
        adapters = [args.adapter] if args.adapter else ["enet", "socket"]
        return _say(
            ping.ping(
                args.host, args.port, adapters, args.count, args.interval, args.timeout, args.hello, args.mine or ""
            )
        )
    except KeyboardInterrupt:
        print("\nended by Ctrl-C", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # "| head" has enough
        sys.stderr.close()
        return 1


if __name__ == "__main__":
    sys.exit(main())
