import pygnetic as net
import messages

class Me(net.Handler):
    def net_chat_mesage(self, message):
        print(message)

net.init()
client = net.Client()
client.connect('localhost', 10000).add_handler(Me())
client.update()
