"""A connection to a broker: one attempt to make it, how its loss is noticed, closing it."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, ConnectionParameter
from aiormq.abc import AbstractConnection as AiormqConnection
from yarl import URL

from worker.aio import is_being_cancelled, running
from worker.broker import tls
from worker.broker.connection_errors import LOST, ConnectionLost, NoBroker, describe_error, was_dropped
from worker.broker.urls import connect_seconds, host_port

CLOSE_SECONDS = 3
PROGRAM = "contact-distribution"

T = TypeVar("T")


class Connection(aio_pika.Connection):
    """aio-pika's plain connection, which does not reconnect; this one knows when it is lost."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="ssl_shutdown_timeout", parser=float, is_kwarg=True),
    )

    @property
    def underlay(self) -> AiormqConnection:
        """The aiormq connection, for what aio-pika does not expose; raises ConnectionLost while there is none."""
        if self.transport is None:
            raise ConnectionLost("closed")
        return self.transport.connection

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by us or by the broker: aio-pika's own stays False after a loss."""
        return self.transport is None or self.transport.connection.is_closed


async def connect(url: URL, name: str) -> Connection:
    """Try one broker once; raises one of LOST."""
    secured = await asyncio.to_thread(tls.context, url)
    # A frozen broker would delay the end of a TLS connection by half a minute.
    shutdown = None if secured is None else CLOSE_SECONDS
    try:
        async with asyncio.timeout(connect_seconds(url)):
            connecting = aio_pika.connect(
                url,
                ssl_context=secured,
                client_properties={"connection_name": f"{url.query.get('name', PROGRAM)} {name}"},
                connection_class=Connection,
                ssl_shutdown_timeout=shutdown,
            )
            return await not_cancelled(connecting, "the connection was dropped while it was made")
    except TimeoutError:
        raise ConnectionLost(f"no answer within {connect_seconds(url)} s") from None
    except StopAsyncIteration:
        # The library raises this if a proxy accepts the connection but has no broker behind it.
        raise ConnectionLost("hung up before it said anything") from None
    except LOST as lost:
        # The broker checks our certificate after the handshake; it may close the connection before its alert arrives.
        if secured is not None and was_dropped(lost):
            raise ConnectionLost(f"{describe_error(lost)}; the broker may have refused our certificate") from None
        raise


async def open_connection(brokers: Sequence[URL], name: str) -> Connection:
    """A connection for a command line tool, which must close it: tries each broker once, in order. Raises NoBroker."""
    refusals = []
    for url in brokers:
        try:
            return await connect(url, name)
        except LOST as lost:
            refusals.append(f"{host_port(url)}: {describe_error(lost)}")
    raise NoBroker(f"no broker can be connected to (AMQP_URL): {'; '.join(refusals)}")


async def opened(channel: AbstractChannel) -> AbstractChannel:
    """The channel, opened if it is new or the broker has closed it.

    Open few and keep them: aio-pika keeps some kilobytes per opened channel until the connection ends.
    """
    if channel.is_closed:
        await channel.reopen()
    return channel


async def close(connection: Connection) -> None:
    """Close it, within CLOSE_SECONDS."""
    with suppress(*LOST):  # lost already, or frozen: nothing is left to close
        async with asyncio.timeout(CLOSE_SECONDS):
            # aio-pika's own close() keeps waiting for this one when it is cancelled.
            await connection.underlay.close()


async def until_lost(connection: Connection, work: Awaitable[None]) -> None:
    """Run the work; cancel it and raise ConnectionLost as soon as the connection is lost."""
    async with running(work) as (task,), running(_closed(connection)) as (closing,):
        await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionLost(closing.result())
        # The client library cancels tasks of a closing channel: that is a loss, not a request to stop.
        if task.cancelled():
            raise ConnectionLost("a channel was closed")
        if (error := task.exception()) is not None:
            if connection.is_closed:
                raise ConnectionLost(describe_error(error)) from error
            raise error


async def not_cancelled(work: Awaitable[T], reason: str = "a channel was closed") -> T:
    """Await the work; a cancellation that is not ours but the client library's becomes ConnectionLost."""
    try:
        return await work
    except asyncio.CancelledError:
        if is_being_cancelled():
            raise
        raise ConnectionLost(reason) from None


async def _closed(connection: Connection) -> str:
    """Wait until the connection is closed; returns the reason."""
    try:
        await not_cancelled(connection.underlay.closing, "closed")
    except Exception as error:  # whatever ended the connection: it is the reason
        return describe_error(error)
    return "closed"
