import pygnetic as net
import messages

class Me(net.Handler):
    def on_disconnect(self):
        client.update()

net.init(logging_lvl=None)
client = net.Client()
connection = client.connect('localhost', 10000)
connection.add_handler(Me())
connection.disconnect()
client.update()
