import pygnetic as net
import messages

class Player(net.Handler):
    def on_connect(self):
        self.connection.net_chat_msg('Tom', 'hello')

net.init()
client = net.Client()
client.connect('localhost', 10000).add_handler(Player())
