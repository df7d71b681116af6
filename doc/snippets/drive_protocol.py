import asyncio
import struct

from pygnetic._core.roles import ClientSession, ServerSession
from pygnetic._core.session import Asked, Data, Ended, Opened
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.limits import DEFAULT
from pygnetic.message import MessageFactory

factory = MessageFactory('json')
say = factory.register('say', ('text',))
factory.set_frozen()


class Driver:
    """Drives one session over an asyncio stream."""

    def __init__(self, name, reader, writer):
        self.name = name
        self.reader = reader
        self.writer = writer
        self.clock = asyncio.get_running_loop().time

    async def receive(self):
        (size,) = struct.unpack('!I', await self.reader.readexactly(4))
        if size > DEFAULT.packet_size:
            raise ConnectionError('too large')
        return await self.reader.readexactly(size)

    def send(self, packet):
        self.writer.write(struct.pack('!I', len(packet)) + packet)

    async def drive(self, session):
        coming = asyncio.ensure_future(self.receive())
        self.follow(session)
        while session.reason is None:
            await asyncio.wait([coming], timeout=session.deadline - self.clock())
            if not coming.done():
                session.expire(self.clock())
            elif coming.exception():
                session.lost(DisconnectReason.LOST, self.clock())
            else:
                session.receive(coming.result(), self.clock())
                coming = asyncio.ensure_future(self.receive())
            self.follow(session)
        coming.cancel()
        self.writer.close()

    def follow(self, session):
        while event := session.next_event():
            self.handle(session, event)
        for outgoing in session.packets_to_send():
            self.send(outgoing.packet)

    def handle(self, session, event):
        if isinstance(event, Asked):
            if event.matches:
                session.welcome(self.clock())
            else:
                reason = Reason(DisconnectReason.SCHEMA_MISMATCH, 'I have other messages')
                session.refuse(reason, self.clock(), factory.description())
        elif isinstance(event, Opened):
            print(self.name, 'is open')
            if self.name == 'the client':
                self.send(factory.pack(say('hello')))
        elif isinstance(event, Data):
            try:
                messages = factory.unpack_packet(event.packet, DEFAULT)
            except DecodeError as error:
                session.close(Reason(DisconnectReason.PROTOCOL_ERROR, str(error)), self.clock())
            else:
                print(self.name, 'received', *messages)
                session.close(Reason(DisconnectReason.CLOSED, 'thank you'), self.clock())
        elif isinstance(event, Ended):
            print(self.name, 'has ended:', event.reason)


async def main():
    served = asyncio.Event()

    async def serve(reader, writer):
        driver = Driver('the server', reader, writer)
        await driver.drive(ServerSession(factory, DEFAULT, driver.clock()))
        served.set()

    async with await asyncio.start_server(serve, '127.0.0.1', 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        driver = Driver('the client', reader, writer)
        session = ClientSession(factory, DEFAULT, driver.clock())
        session.opened(driver.clock())
        await driver.drive(session)
        await served.wait()


asyncio.run(main())
