"""A game whose types an editor knows, and mypy --strict checks. It plays in one process, so that it can just be run."""

from typing import TYPE_CHECKING, NamedTuple

import pygnetic as net
from pygnetic.connection import Connection
from pygnetic.errors import DisconnectReason

if TYPE_CHECKING:

    class Shot(NamedTuple):
        """What a handler gets for a ``shot``: register() makes this class while the program runs."""

        x: int
        y: int

    class Result(NamedTuple):
        text: str


shot = net.register('shot', ('x', 'y'))
result = net.register('result', ('text',))


class Gunner(net.Handler):
    """On the server, one for each player."""

    connection: Connection  # known more exactly than in Handler, where it is Any
    server: 'Sea'

    def net_shot(self, message: 'Shot') -> None:
        hit = (message.x, message.y) in self.server.ships
        self.connection.send(result, 'hit' if hit else 'miss')


class Sea(net.Server):
    handler = Gunner

    def __init__(self, ships: set[tuple[int, int]]) -> None:
        super().__init__(conn_limit=2, n_adapter='memory')
        self.ships = ships


class Player(net.Handler):
    connection: Connection

    def __init__(self, shots: list[tuple[int, int]]) -> None:
        self.shots = shots
        self.results: list[str] = []

    def on_connect(self) -> None:
        for x, y in self.shots:
            accepted: bool = self.connection.send(shot, x, y)
            assert accepted

    def net_result(self, message: 'Result') -> None:
        self.results.append(message.text)


def play() -> list[str]:
    """Return what two shots hit."""
    with Sea({(3, 4)}) as server, net.Client(n_adapter='memory') as client:
        ships: set[tuple[int, int]] = server.ships  # "with" keeps the type
        player = Player([(1, 1), *ships])
        connection = client.connect(*server.address)
        connection.add_handler(player)
        while len(player.results) < len(player.shots):
            client.update()
            server.update()
        connection.disconnect()
        client.update()
        assert connection.reason is not None and connection.reason.code is DisconnectReason.CLOSED
        return player.results


if __name__ == '__main__':
    print(play())
