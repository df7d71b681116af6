import pygnetic as net
import messages

class Me(net.Handler):
    pass

net.init(logging_lvl=None)
client = net.Client()
client.connect('localhost', 10000).add_handler(Me)
