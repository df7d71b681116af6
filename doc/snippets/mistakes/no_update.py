import pygnetic as net
import messages

net.init()
client = net.Client()
connection = client.connect('localhost', 10000)
connection.net_chat_msg('Tom', 'is anybody there?')
