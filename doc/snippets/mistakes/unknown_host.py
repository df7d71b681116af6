import pygnetic as net
import messages

net.init(logging_lvl=None)
client = net.Client()
connection = client.connect('localhost', 100000)
