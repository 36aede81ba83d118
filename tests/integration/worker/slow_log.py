"""A broker that says nothing of its stream for a while, as after a restart: a proxy before a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pamqp.frame
from pamqp import commands as spec
from yarl import URL

PROTOCOL_HEADER_BYTES, FRAME_HEADER_BYTES, FRAME_END_BYTES = 8, 7, 1


@dataclass
class SlowLog:
    """Holds back every question about one queue, and what follows on its channel, until it is let through."""

    broker: URL
    queue: str
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    let_through: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        from_broker, to_broker = await asyncio.open_connection(self.broker.host, self.broker.port)
        pumps = [
            asyncio.create_task(self._questions(reader, to_broker)),
            asyncio.create_task(pump(from_broker, writer)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        to_broker.close()
        writer.close()

    async def _questions(self, reader: asyncio.StreamReader, to_broker: asyncio.StreamWriter) -> None:
        held: dict[int, list[bytes]] = {}
        releasing = asyncio.create_task(self._release(held, to_broker))
        try:
            to_broker.write(await reader.readexactly(PROTOCOL_HEADER_BYTES))
            while True:
                frame = await read_frame(reader)
                number = int.from_bytes(frame[1:3], "big")
                if not self.let_through.is_set() and (number in held or self._is_about_it(frame)):
                    held.setdefault(number, []).append(frame)
                    self.asked.set()
                else:
                    to_broker.write(frame)
        finally:
            releasing.cancel()

    async def _release(self, held: dict[int, list[bytes]], to_broker: asyncio.StreamWriter) -> None:
        await self.let_through.wait()
        for frames in held.values():
            to_broker.writelines(frames)
        held.clear()

    def _is_about_it(self, frame: bytes) -> bool:
        _, _, method = pamqp.frame.unmarshal(frame)
        return isinstance(method, spec.Queue.Declare) and method.queue == self.queue


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """A whole frame."""
    header = await reader.readexactly(FRAME_HEADER_BYTES)
    return header + await reader.readexactly(int.from_bytes(header[3:7], "big") + FRAME_END_BYTES)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything, as it comes."""
    while some := await reader.read(65536):
        writer.write(some)


@asynccontextmanager
async def slow_log(broker_url: str, queue: str) -> AsyncIterator[tuple[SlowLog, str]]:
    """The proxy, and its address for clients."""
    made = SlowLog(URL(broker_url), queue)
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(made.serve(reader, writer)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield made, str(URL(broker_url).with_port(server.sockets[0].getsockname()[1]))
        for task in serving:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*serving, return_exceptions=True)
