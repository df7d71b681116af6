import pygnetic as net

say = net.register('say', ('text',))
nickname = net.register('nickname', ('name',))
heard = net.register('heard', ('who', 'text'))
players = net.register('players', ('names',))


class ClientChannel(net.Handler):
    name = 'anonymous'

    def on_connect(self):
        self.server.send_players()

    def on_disconnect(self):
        print(self.name, 'left:', self.connection.reason)
        self.server.send_players()

    def net_nickname(self, message):
        self.name = str(message.name)[:12]
        self.server.send_players()

    def net_say(self, message):
        self.server.broadcast(heard, self.name, message.text)


class ChatServer(net.Server):
    handler = ClientChannel

    def send_players(self):
        self.broadcast(players, [channel.name for channel in self.handlers()])


if __name__ == '__main__':
    net.init()
    with ChatServer('localhost', 10000) as server:
        print('listening on port', server.address[1], flush=True)
        while True:
            server.update(100)
