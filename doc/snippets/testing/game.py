"""A small game: who says the secret number first wins. It knows nothing of tests."""

import random
import time

import pygnetic as net
from pygnetic.message import MessageFactory

messages = MessageFactory()  # one of its own, so that many servers can be made in one test run
guess = messages.register('guess', ('number',))
answer = messages.register('answer', ('text',))
SECONDS = 30  # of a round


class Player(net.Handler):
    """On the server, one for each player."""

    def net_guess(self, message):
        if message.number == self.server.secret:
            self.server.broadcast(answer, f'{self.connection.id} has found it')
            self.server.begin()
        else:
            hint = 'higher' if message.number < self.server.secret else 'lower'
            self.connection.net_answer(hint)


class GameServer(net.Server):
    handler = Player
    message_factory = messages
    now = staticmethod(time.monotonic)  # a test has another clock

    def begin(self):
        self.secret = random.randint(1, 100)
        self.ends = self.now() + SECONDS

    def tick(self):
        """Once a frame."""
        self.update()
        if self.now() > self.ends:
            self.broadcast(answer, 'time is up')
            self.begin()
