"""Round trip, starting up, events, and the price of each limit."""

from bench.jobs.base import Bar, Job, Program

__all__ = ["JOBS"]

_TRIP = "bench.peers.round_trip:"
_SMALL = "bench.peers.small:"
_ENET = ("enet", "msgpack")

_WHY_TRIP = (
    "The same as echo with one message: an update() on each side where by hand there are five lines. It is more than "
    "there because both processes sleep in between; we think of cold caches, but have not measured them apart."
)
_WHY_IMPORT = (
    "A fifth of it is ``dataclasses``, which imports ``inspect``, for Limits and Stats; another fifth is "
    "``logging``; the network and pygame libraries are not imported before they are needed."
)


def _events(pygame: str) -> Job:
    needs = (*_ENET, pygame)
    return Job(
        f"events-{pygame}",
        f"Events: {pygame}",
        "Echo with an event for each message, taken from the queue each tick; an echo is received twice.",
        "us of CPU a received message",
        {
            "off": Program("without events", _SMALL + "events", {"on": False}, needs),
            "on": Program("with events", _SMALL + "events", {"on": True}, needs),
        },
        (Bar("on", "off", 2.0, how="difference"),),
        {"per_tick": 50, "ticks": 200},
        {"ticks": 60},
        rounds=15,
    )


def _decode(title: str, codec: str, limited: bool) -> Program:
    options = {"codec": codec, "limited": limited}
    return Program(title, _SMALL + "decode", options, ("enet", "msgpack", "msgspec"))


JOBS = (
    Job(
        "round-trip",
        "Round trip between two processes",
        "Both ends wait for the one message that is under way; the median of many trips.",
        "us",
        {
            "hand": Program("by hand: select, then service(0)", _TRIP + "by_hand", {}, _ENET),
            "enet": Program("pygnetic: enet", _TRIP + "ours", {}, _ENET),
            "socket": Program("pygnetic: socket", _TRIP + "ours", {"network": "socket"}, ("msgpack",)),
        },
        (Bar("enet", "hand", 1.30, 1.2, why=_WHY_TRIP), Bar("socket", "hand")),
        {"number": 500},
        {"number": 200},
        rounds=12,
    ),
    Job(
        "import",
        "Import",
        "Starting Python to do it and ending, the best of three.",
        "ms",
        {
            "nothing": Program("python -c pass", _SMALL + "start", {"code": "pass"}),
            "ours": Program("import pygnetic", _SMALL + "start", {"code": "import pygnetic"}),
            "init": Program("import and init()", _SMALL + "start", {"code": "import pygnetic; pygnetic.init()"}, _ENET),
        },
        (Bar("ours", "nothing", 40, how="difference", why=_WHY_IMPORT), Bar("init", "nothing", how="difference")),
        {"number": 3},
        {"number": 1},
        launches=1,
        rounds=11,
    ),
    Job(
        "netgraph",
        "Drawing the net graph",
        "At 320 x 120, in each of 60 frames a second; 100 clients send and get a message in each.",
        "ms of CPU a frame",
        {
            "client": Program("of a connection", _SMALL + "graph", {"server": False}, ("msgpack", "pygame-ce")),
            "server": Program("of a server of 100", _SMALL + "graph", {"server": True}, ("msgpack", "pygame-ce")),
        },
        (Bar("client", limit=1), Bar("server", limit=1)),
        {"frames": 100},
        {"frames": 30},
        launches=2,
        rounds=7,
    ),
    _events("pygame-ce"),
    _events("pygame"),
    Job(
        "limits",
        "The price of the limits",
        "Where it can be told apart. The rest (unsent bytes on TCP, backlog, messages an update) is one addition and "
        "one comparison each.",
        "ns",
        {
            "decode": _decode("msgpack alone, of a packet of 50: a message", "msgpack", False),
            "decode-limited": _decode("msgpack with its limits", "msgpack", True),
            "msgspec": _decode("msgspec alone, of a packet of 50: a message", "msgspec", False),
            "msgspec-limited": _decode("msgspec with its limits", "msgspec", True),
            "pack": Program("packing a message", _SMALL + "fields", {"limited": False}, ("msgspec",)),
            "pack-limited": Program("and looking at its fields", _SMALL + "fields", {"limited": True}, ("msgspec",)),
            "packet": Program("making an ENet packet", _SMALL + "accounting", {"counted": False}, _ENET),
            "packet-counted": Program(
                "and counting its bytes as unsent", _SMALL + "accounting", {"counted": True}, _ENET
            ),
            "filter": Program("the filter looks at a datagram", _SMALL + "intercept", {}, _ENET),
        },
        (
            Bar("decode-limited", "decode", how="difference"),
            Bar("msgspec-limited", "msgspec", how="difference"),
            Bar("pack-limited", "pack", how="difference"),
            Bar("packet-counted", "packet", how="difference"),
            Bar("filter", limit=1000),
        ),
        {"calls": 50000},
        {"calls": 10000},
        launches=2,
        rounds=9,
    ),
)
