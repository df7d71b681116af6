import pygnetic as net
from messages import chat_msg

def clean(text):  # never trust what comes from outside
    return ''.join(letter for letter in str(text)[:60] if letter.isprintable())

class Guest(net.Handler):  # the server makes one of these for each window
    name = 'somebody'
    def net_join(self, message):
        self.name = clean(message.name)
    def net_say(self, message):
        text = clean(message.text)
        print(f'{self.name}: {text}')
        self.server.broadcast(chat_msg, self.name, text)

net.init()
server = net.Server(port=10000, conn_limit=20, handler=Guest)
print('The server listens on port', server.address[1])
while True:
    server.update(100)  # waits up to 100 ms for something to come
