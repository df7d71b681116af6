"""The floors of the house, from the top: a module imports from the floors below its own only.

This is the one list of them. ``python tests/floors.py`` writes it into the documentation.
"""

from pathlib import Path

HOUSE: list[tuple[str, list[str]]] = [
    ("the command line, ``python -m pygnetic``", ["__main__"]),
    ("what the command line can do", ["_cli.demo", "_cli.doctor", "_cli.ping", "_cli.registered"]),
    ("what the command line needs for that", ["_cli.line"]),
    ("the names that everybody uses", [""]),
    ("the two ends", ["client", "server"]),
    ("what the user sees of both ends", ["_core.endpoint"]),
    ("the update loops of a client and of a server", ["_core.dialling", "_core.hosting"]),
    ("how a loop ends; connections that are not let in yet", ["_core.closing", "_core.pending"]),
    ("the update loop of both ends: poll, feed the sessions, dispatch, flush, run timers", ["_core.loop"]),
    ("calling handlers", ["_core.dispatch"]),
    ("one remote end: its line, its session, its connection", ["_core.link"]),
    ("what the user sees of one remote end", ["connection"]),
    ("the session in the roles of a client and of a server; checks of handlers", ["_core.roles", "_help.handlers"]),
    (
        "the session, a state machine without I/O; what came in and what is to go out; closing when a program ends or "
        "forks; a user's mistakes",
        [
            "_core.session",
            "_core.inbox",
            "_core.outbox",
            "_core.goodbye",
            "_core.resolve",
            "_help.checks",
            "_help.differences",
        ],
    ),
    ("registered messages, and how they become bytes and messages again", ["message"]),
    ("functions compiled for one message: its sender, its decoder", ["_core.compiled"]),
    ("choosing adapters", ["network", "serialization"]),
    (
        "exactly one network, codec or event library each",
        [
            "network.enet_adapter",
            "network.socket_adapter",
            "network.memory_adapter",
            "serialization.msgpack_adapter",
            "serialization.msgspec_adapter",
            "serialization.json_adapter",
            "event",
            "netgraph",
        ],
    ),
    (
        "what the network adapters consist of: the filter of datagrams, slots; connecting over TCP",
        ["network.enet_filter", "network._enet_slots", "network._dialling"],
    ),
    (
        "hosts, peers, streams, datagrams; records of adapters; what MessagePack adapters share; samples of net graphs",
        [
            "network._enet_host",
            "network._enet_peer",
            "network._enet_walk",
            "network._enet_cookie",
            "network._framing",
            "network._records",
            "serialization._messagepack",
            "_core.samples",
        ],
    ),
    (
        "contracts, and functions from bytes to bytes",
        [
            "handler",
            "_core.packets",
            "_core.registry",
            "_core.delivery",
            "_help.console",
            "network.base",
            "network._enet_window",
            "serialization.base",
        ],
    ),
    (
        "what can go wrong, and how much is allowed; timers and threads; hints at the right name",
        [
            "errors",
            "limits",
            "stats",
            "_core.timers",
            "_core.guard",
            "_help.hints",
            "network._enet_binding",
            "_cli",
            "_core",
            "_help",
        ],
    ),
]
FLOORS = {
    f"pygnetic.{module}".rstrip("."): number
    for number, (_, modules) in enumerate(reversed(HOUSE))
    for module in modules
}
# The one library that each of these is about. Everything else needs the standard library only.
LIBRARIES = {
    "pygnetic.network.enet_adapter": {"enet"},
    "pygnetic.network._enet_host": {"enet"},
    "pygnetic.network._enet_peer": {"enet"},
    "pygnetic.network._enet_slots": {"enet"},
    "pygnetic.serialization.msgpack_adapter": {"msgpack"},
    "pygnetic.serialization.msgspec_adapter": {"msgspec"},
    "pygnetic.event": {"pygame"},
    "pygnetic.netgraph": {"pygame"},
}
PACKAGES = ("", "network", "serialization", "_cli", "_core", "_help")
TABLE = Path(__file__).parent.parent / "doc" / "_generated" / "floors.inc"


def file_of(module: str) -> str:
    """The path of a module's file, as the documentation writes it."""
    path = module.replace(".", "/")
    if module in PACKAGES:
        path = f"{path}/__init__".lstrip("/")
    return f"``{path}.py``"


def table() -> str:
    """The list as a table of the documentation."""
    lines = [".. Written by tests/floors.py.", "", ".. list-table::", "   :header-rows: 1", "   :widths: 8 46 46", ""]
    lines += ["   * - Floor", "     - Files in ``pygnetic/``", "     - What is there"]
    for number, (what, modules) in zip(reversed(range(len(HOUSE))), HOUSE, strict=True):
        files = map(file_of, modules)
        lines += [f"   * - {number}", f"     - {', '.join(files)}", f"     - {what}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
