import pygnetic as net
import messages

class Guest(net.Handler):
    pass

net.init(logging_lvl=None)
server = net.Server(port=10000, handler=Guest())
