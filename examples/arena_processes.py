"""The arena's processes, and what they print at the end. Shows how to start some, so that none outlives us.

arena.py uses it for its server and its bots; started itself, it does what arena.py does.
"""

import _thread
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

PORT = 10000  # where nobody says another
NAMES = ["Ada", "Blaise", "Clara", "Dennis", "Emmy", "Fermat", "Grace", "Hedy"]  # of bots


def start(file, args, children, *arguments, **options):
    """Start a file in a process that ends, at the latest, when we do.

    :param children: an ExitStack: at its end it closes the stdin of each child, and waits for it.
    """
    command = [sys.executable, os.path.abspath(file), "--child", f"--port={args.port}", *arguments]
    command += [f"--adapter={args.adapter}"] if args.adapter else []
    # in a group of its own, so that Ctrl-C reaches only us, and we end the others in good order
    options["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True, **options)
    return children.enter_context(process)


def start_bots(file, args, children):
    for number in range(args.bots):
        start(file, args, children, f"--join={args.join}", f"--name={NAMES[number % len(NAMES)]}")


def announce(args):
    """Say that the server is ready: in one line for whoever started us as a child, and for people how to join."""
    print("the server listens at", args.join, args.port, flush=True)
    if not args.child:
        invite(args)


def invite(args):
    """Say how friends can join the server at args.host and args.port."""
    host, who = args.host, "Others"
    if host in ("", "0.0.0.0", "::"):  # it listens at all addresses of this computer
        host, who = own_address(), "Friends in your network"
    demo = sys.argv[0].startswith("python -m ")  # see pygnetic/_cli/demo.py: it started us
    command = [sys.argv[0] if demo else "python examples/arena.py", "--join", host]
    command += ["--port", str(args.port)] if args.port != PORT else []
    command += ["--adapter", args.adapter] if args.adapter else []
    print(f"{who} join with:", *command, flush=True)


def own_address():
    """Return this computer's address in its network."""
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))  # sends nothing: it only picks the address from which to send there
        return sock.getsockname()[0]
    return "127.0.0.1"  # it is in no network


def host_and_play(file, args, play):
    """Start a server, unless we join one, and bots; then play here."""
    with contextlib.ExitStack() as children:
        if not args.join:
            server = start(file, args, children, "--server-only", f"--host={args.host}", stdout=subprocess.PIPE)
            ready = server.stdout.readline().split()
            if not ready:
                return 1  # the server has said why
            args.join, args.port = ready[-2], int(ready[-1])
            invite(args)
        start_bots(file, args, children)
        return play(args)


def end_with_parent():
    """End as if by Ctrl-C when whoever started us closes our stdin, or dies."""

    def wait():
        os.read(0, 1)
        _thread.interrupt_main()

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in a shell's background begins without
    threading.Thread(target=wait, daemon=True).start()


def summary(rows, connections):
    print(f"{len(rows)} players")
    for _, name, score, rtt in sorted(rows, key=lambda row: -row[2]):
        print(f"  {name:12} {score:3} coins, round trip {rtt:4.1f} ms")
    for c in connections:
        print("{}:{}".format(*c.address), f"sent {c.messages_sent} messages, {c.data_sent} bytes;", end=" ")
        print(f"received {c.messages_received} messages, {c.data_received} bytes; round trip {c.rtt:.1f} ms")


def main():
    import arena

    return arena.main()


if __name__ == "__main__":
    sys.exit(main())
