"""Sockets that do what a script says, where a real one does so once in a million years."""

from typing import Any

from pygnetic.limits import DEFAULT
from pygnetic.network import base, socket_adapter
from pygnetic.network.socket_adapter import Peer


class FakeSocket:
    """Does what a script says, where a real socket does so once in a million years."""

    def __init__(self, **script: Any) -> None:
        self.script = script
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            result = self.script.get(name, 0)
            if isinstance(result, Exception):
                raise result
            return result

        return call

    def close(self) -> None:
        self.closed = True


class FakeSelector:
    def __init__(self) -> None:
        self.registered: dict[Any, int] = {}

    def register(self, sock: Any, mask: int, data: Any) -> None:
        assert sock not in self.registered
        self.registered[sock] = mask

    def modify(self, sock: Any, mask: int, data: Any) -> None:
        assert sock in self.registered
        self.registered[sock] = mask

    def unregister(self, sock: Any) -> None:
        del self.registered[sock]

    def get_map(self) -> Any:
        return self.registered

    def select(self, timeout: float) -> list[Any]:
        return []

    def close(self) -> None:
        self.registered.clear()


def fake_adapter() -> Any:
    """Return an adapter that has a fake selector."""
    adapter = socket_adapter.Adapter(limits=DEFAULT)
    assert adapter.selector is not None
    adapter.selector.close()
    adapter.selector = FakeSelector()
    return adapter


def opened(adapter: Any, **script: Any) -> Any:
    """A peer of an adapter, on a fake socket."""
    peer = Peer(adapter, ("10.0.0.1", 80))
    peer.adopt(FakeSocket(**script), peer.address)
    adapter._peers.add(peer)
    peer.open()
    assert [kind for kind, *_ in adapter.poll()] == [base.OPENED]
    return peer
