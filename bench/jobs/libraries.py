"""Echo with other libraries."""

from bench.jobs.base import Bar, Job, Program

__all__ = ["JOBS"]

_WHY = "It is the echo of the first job: what that loses is missing here."
_PEERS = "bench.peers.libraries:"

JOBS = (
    Job(
        "libraries",
        "Echo with other libraries, 50 messages a tick",
        "Client and server in one process, each program as the library's own documentation shows it.",
        "echoes a second of CPU",
        {
            "enet": Program("pygnetic: enet, msgpack", "bench.peers.ours:echoes", {}, ("enet", "msgpack")),
            "enet-msgspec": Program(
                "pygnetic: enet, msgspec", "bench.peers.ours:echoes", {"codec": "msgspec"}, ("enet", "msgspec")
            ),
            "twisted": Program("Twisted: Int32StringReceiver, msgpack", _PEERS + "twisted", {}, ("Twisted", "msgpack")),
            "podsixnet": Program("PodSixNet", _PEERS + "podsixnet", {}, ("PodSixNet",)),
            "websockets": Program("websockets: msgpack", _PEERS + "websockets", {}, ("websockets", "msgpack")),
            "socketio": Program("python-socketio", _PEERS + "python_socketio", {}, ("python-socketio", "aiohttp")),
        },
        (
            Bar("enet", "podsixnet", 10, at_least=True, why=_WHY),
            Bar("enet", "websockets", 13, at_least=True, why=_WHY),
            Bar("enet", "socketio", at_least=True),
            Bar("enet", "twisted", at_least=True),
            Bar("enet-msgspec", "podsixnet", at_least=True),
            Bar("enet-msgspec", "websockets", at_least=True),
        ),
        {"per_tick": 50, "ticks": 40},
        {"ticks": 20},
        rounds=7,
    ),
)
