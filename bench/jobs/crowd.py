"""Servers with many clients, which live in another process: only the server's CPU counts."""

from bench.jobs.base import Bar, Job, Program

__all__ = ["JOBS"]

_CROWD = "bench.peers.crowd:"
_ENET = ("enet", "msgpack")
_FRAME = "us of the server's CPU a frame"

_WHY_BROADCAST = (
    "``host.broadcast`` is one call that shares one packet among all. Each of our connections has its outbox, a "
    "packet whose bytes count as unsent until they are acknowledged, and counters; and each acknowledgement passes "
    "the filter. In a tight loop outbox and counters take 0.8 us a client and the counted packet 0.3 more. But a "
    "server that sleeps between two frames comes back to cold caches, and what goes through more code and more objects "
    "pays more for that: where the frames follow each other closely, the same work costs less (the last lines)."
)
_WHY_TCP = "The outbox and the counters, as above; over TCP the rest is the system's ``send``, the same by hand."
_WHY_JOIN = (
    "ENet alone needs 4 datagrams; a join has besides question and answer for the cookie, HELLO, WELCOME, a client's "
    "first PING, and what acknowledges them. The rest is what is made in Python."
)


def _broadcast(count: int, rounds: int) -> Job:
    often = 50_000 // count  # frames a second: half of the time is left
    programs = {
        "hand": Program("by hand: host.broadcast", _CROWD + "broadcast_enet", {}, _ENET),
        "hand-each": Program("by hand: a Packet for each peer", _CROWD + "broadcast_enet", {"each": True}, _ENET),
        "enet": Program("pygnetic: enet", _CROWD + "broadcast", {}, _ENET),
        "enet-unfiltered": Program(
            "pygnetic: enet, no datagram filter", _CROWD + "broadcast", {"filtered": False}, _ENET
        ),
        "hand-unreliable": Program(
            "by hand, unreliable: host.broadcast", _CROWD + "broadcast_enet", {"reliable": False}, _ENET
        ),
        "enet-unreliable": Program("pygnetic: enet, unreliable", _CROWD + "broadcast", {"reliable": False}, _ENET),
        "hand-often": Program(
            f"by hand, {often} times a second: host.broadcast", _CROWD + "broadcast_enet", {"hz": often}, _ENET
        ),
        "enet-often": Program(f"pygnetic: enet, {often} times a second", _CROWD + "broadcast", {"hz": often}, _ENET),
    }
    bars = (
        Bar("enet", "hand", 1.60, 1.30, why=_WHY_BROADCAST),
        Bar("enet", "hand-each"),
        Bar("enet-unfiltered", "hand-each"),
        Bar("enet-unreliable", "hand-unreliable"),
        Bar("enet-unreliable", "enet"),
        Bar("enet-often", "hand-often"),
    )
    return Job(
        f"broadcast-{count}",
        f"Broadcast of 100 bytes to {count} clients, 60 times a second",
        "Reliable unless said, and everything that comes back is taken in.",
        _FRAME,
        programs,
        bars,
        {"count": count, "number": 20},
        {"count": count // 5, "number": 6},
        launches=2,
        rounds=rounds,
    )


def _broadcast_tcp(count: int) -> Job:
    return Job(
        f"broadcast-tcp-{count}",
        f"Broadcast of 100 bytes to {count} clients over TCP, 60 times a second",
        "By hand it is a send() on each socket, and epoll for what comes back.",
        _FRAME,
        {
            "hand": Program("by hand: socket.send and epoll", _CROWD + "broadcast_tcp", {}, ("msgpack",)),
            "socket": Program("pygnetic: socket", _CROWD + "broadcast", {"network": "socket"}, ("msgpack",)),
        },
        (Bar("socket", "hand", 1.25, 1.10, why=_WHY_TCP),),
        {"count": count, "number": 20},
        {"count": count // 5, "number": 6},
        launches=2,
        rounds=9,
    )


def _idle(count: int) -> Job:
    return Job(
        f"idle-{count}",
        f"update(0) with {count} idle connections",
        "Called again and again while nobody does anything.",
        "us of CPU a call",
        {
            "hand": Program("by hand: host.service(0)", _CROWD + "idle_enet", {}, _ENET),
            "enet": Program("pygnetic: enet", _CROWD + "idle", {}, _ENET),
            "socket": Program("pygnetic: socket", _CROWD + "idle", {"network": "socket"}, ("msgpack",)),
        },
        (
            Bar("enet", "hand", 1.5 if count == 1000 else None),
            Bar("enet", "hand", how="difference"),
            Bar("socket", "hand"),
        ),
        {"count": count, "calls": 3000},
        {"count": max(10, count // 10), "calls": 500},
        launches=2,
        rounds=15,
    )


JOBS = (
    _broadcast(100, 9),
    _broadcast(500, 8),
    _broadcast_tcp(100),
    _broadcast_tcp(500),
    Job(
        "inputs",
        "500 clients answer each frame",
        "The server broadcasts 20 times a second, each client answers each broadcast, and the server waits for answers "
        "until the frame is over. (60 times is more than one process with all the clients can answer.)",
        "inputs taken a frame",
        {
            "enet": Program("pygnetic: enet, update(timeout)", _CROWD + "inputs", {}, _ENET),
            "enet-once": Program("pygnetic: enet, update() once a frame", _CROWD + "inputs", {"once": True}, _ENET),
            "socket": Program("pygnetic: socket", _CROWD + "inputs", {"network": "socket"}, ("msgpack",)),
            "hand": Program("by hand: select, service(0) until nothing is left", _CROWD + "inputs_enet", {}, _ENET),
            "hand-once": Program("by hand: service(0) once a frame", _CROWD + "inputs_enet", {"once": True}, _ENET),
        },
        (
            Bar("enet", limit=499, at_least=True),
            Bar("enet-once", at_least=True),
            Bar("socket", at_least=True),
            Bar("hand", at_least=True),
            Bar("hand-once", at_least=True),
        ),
        {"count": 500, "number": 30, "hz": 20},
        {"count": 100, "number": 10},
        launches=1,
        rounds=5,
    ),
    _idle(10),
    _idle(100),
    _idle(1000),
    Job(
        "memory",
        "Python memory of a server's connection",
        "As tracemalloc sees it, the handler included. ENet's own memory is not Python's: 64 channels of 80 bytes.",
        "bytes a connection",
        {
            "enet": Program("pygnetic: enet", _CROWD + "memory", {}, _ENET),
            "socket": Program("pygnetic: socket", _CROWD + "memory", {"network": "socket"}, ("msgpack",)),
        },
        (Bar("enet", limit=4096), Bar("socket", limit=4096)),
        {"count": 500},
        {"count": 100},
        launches=1,
        rounds=3,
    ),
    Job(
        "join",
        "1000 clients join, 50 at a time",
        "Both ends together: the address is proved with a cookie, ENet connects, HELLO and WELCOME; a Connection and "
        "a Handler on each side. By hand there is nothing but ENet's own connect.",
        "us of CPU a client",
        {
            "hand": Program("by hand: host.connect", _CROWD + "join_enet", {}, _ENET),
            "enet": Program("pygnetic: enet", _CROWD + "join", {}, _ENET),
            "socket": Program("pygnetic: socket", _CROWD + "join", {"network": "socket"}, ("msgpack",)),
        },
        (Bar("enet", "hand", 5.0, 4.0, why=_WHY_JOIN), Bar("socket", "hand")),
        {"count": 1000},
        {"count": 200},
        launches=1,
        rounds=9,
    ),
)
