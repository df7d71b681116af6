"""Echo: chat messages to a server in the same process and back."""

from bench.jobs.base import Bar, Job, Program

__all__ = ["JOBS"]

_HAND = "bench.peers.by_hand:echo"
_OURS = "bench.peers.ours:echo"
_ENET, _MSGPACK, _MSGSPEC = ("enet",), ("enet", "msgpack"), ("enet", "msgspec")

_WHY_MANY = (
    "Putting a tick's messages together saves what a packet costs, but each message still goes through a compiled "
    "sender that looks at its fields, a message object on either side, a look-up of the handler's method and its "
    "call. The loop by hand has none of that: no types, no limits, no handlers, one kind of message."
)
_WHY_ONE = (
    "With one message there is nothing to put together, and what update() does once per packet is paid for each: "
    "both filters, both outboxes and inboxes, deadlines, counters."
)

_PROGRAMS = {
    "hand": Program("by hand: pyenet + msgpack, a packet a message", _HAND, {}, _MSGPACK),
    "hand-packer": Program("by hand, with one msgpack.Packer", _HAND, {"reuse_packer": True}, _MSGPACK),
    "hand-batch": Program("by hand, a packet a tick", _HAND, {"batch": True}, _MSGPACK),
    "enet": Program("pygnetic: enet, msgpack", _OURS, {}, _MSGPACK),
    "enet-msgspec": Program("pygnetic: enet, msgspec", _OURS, {"codec": "msgspec"}, _MSGSPEC),
    "socket": Program("pygnetic: socket, msgpack", _OURS, {"network": "socket"}, ("msgpack",)),
    "socket-msgspec": Program(
        "pygnetic: socket, msgspec", _OURS, {"network": "socket", "codec": "msgspec"}, ("msgspec",)
    ),
    "enet-mixed": Program(
        "pygnetic: enet, server msgpack, client msgspec",
        _OURS,
        {"client_codec": "msgspec"},
        (*_MSGPACK, "msgspec"),
    ),
    "enet-unfiltered": Program("pygnetic: enet, msgpack, no datagram filter", _OURS, {"filtered": False}, _MSGPACK),
    "enet-uncounted": Program("pygnetic: enet, msgpack, no counts by name", _OURS, {"counted": False}, _MSGPACK),
}

JOBS = (
    Job(
        "echo",
        "Echo, 50 messages a tick",
        "Client and server in one process; an echo is two sends and two receives of the 19-byte chat message.",
        "us of CPU an echo",
        _PROGRAMS,
        (
            Bar("enet", "hand", 0.65, 0.55, why=_WHY_MANY),
            Bar("enet-msgspec", "hand", 0.55, 0.45, why=_WHY_MANY),
            Bar("socket", "hand", 0.60, 0.50, why=_WHY_MANY),
            Bar("socket-msgspec", "hand", 0.50, 0.40, why=_WHY_MANY),
            Bar("enet-mixed", "hand"),
            Bar("enet-unfiltered", "hand"),
            Bar("enet", "enet-uncounted"),
            Bar("hand-packer", "hand"),
            Bar("hand-batch", "hand"),
        ),
        {"per_tick": 50, "ticks": 200},
        {"ticks": 100},
        rounds=25,
    ),
    Job(
        "echo-single",
        "Echo, 1 message a tick",
        "The same with nothing to put together: the price of update() itself.",
        "us of CPU an echo",
        {key: program for key, program in _PROGRAMS.items() if key != "hand-batch"},
        (
            Bar("enet", "hand", 1.50, 1.30, why=_WHY_ONE),
            Bar("enet-msgspec", "hand"),
            Bar("socket", "hand"),
            Bar("socket-msgspec", "hand"),
            Bar("enet-mixed", "hand"),
            Bar("enet-unfiltered", "hand"),
            Bar("enet", "enet-uncounted"),
            Bar("hand-packer", "hand"),
        ),
        {"per_tick": 1, "ticks": 1000},
        {"ticks": 500},
        rounds=25,
    ),
)
