import pygnetic as net
import messages

net.init(logging_lvl=None)
first = net.Server(port=10000)
second = net.Server(port=10000)
