import sys

import pygnetic as net
from chat_server import nickname, say  # the messages, in the same order


class Listener(net.Handler):
    over = False

    def on_connect(self):
        self.connection.send(nickname, sys.argv[1] if len(sys.argv) > 1 else 'anonymous')
        self.connection.send(say, 'hello')

    def net_heard(self, message):
        print(f'{message.who}: {message.text}', flush=True)

    def net_players(self, message):
        print('players:', ', '.join(message.names), flush=True)

    def on_disconnect(self):
        print('it is over:', self.connection.reason)
        self.over = True


net.init()
listener = Listener()
with net.Client() as client:
    client.connect('localhost', 10000).add_handler(listener)
    while not listener.over:
        client.update(100)
