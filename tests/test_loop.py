"""The loop of a Client or Server: what one update() does, and how long it waits."""

from __future__ import annotations

from world import World


def test_control_packets_leave_in_the_update_that_made_them(world: World) -> None:
    """On a real network a WELCOME or PONG must not wait for the next frame."""
    server = world.server()
    client = world.client(message_factory=server.message_factory)
    connection = client.connect(*server.address)
    flushed = []
    flush = server._adapter.flush
    server._adapter.flush = lambda: (flushed.append(len(server.connections())), flush())
    world.until(lambda: connection.connected)
    assert flushed[-1] == 1
