"""One connection: uvicorn's protocol with deadlines and the checks that its parser leaves out."""

import asyncio
import math
from functools import partial
from http import HTTPStatus
from logging import getLogger
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from serving.config import PROTOCOL_LOGGER, Config
from serving.connections import Phase
from serving.lingering_close import LingeringTransport
from serving.refusals import refusal

MAX_HEAD_BYTES = 32 * 1024
MAX_PIPELINED = 16
SMALL_REMAINDER = 64 * 1024
LEAST_PROGRESS = 16 * 1024
UNREAD_BYTES = 128 * 1024
"""Size of the kernel's send buffer. By default it takes megabytes of a response, and copying those for clients that
read nothing keeps the event loop busy for seconds."""
MALFORMED, TOO_LATE = "The request is not well-formed HTTP/1.1.", "The request did not arrive in time."
HEAD_TOO_LARGE, FULL = "The head of the request is too large.", "There are too many connections; try again."


class Protocol(HttpToolsProtocol):
    """A connection with a deadline for each thing it waits for.

    Overrides methods that uvicorn's class calls on itself: uvicorn is pinned by the lock file, and tests/integration/
    test_serving.py fails if another version differs.
    """

    transport: LingeringTransport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = getLogger(PROTOCOL_LOGGER)
        self.clients, self.limits = config.clients, config.clients.limits
        self.address = ""
        self.phase, self.since, self.deadline = Phase.NEW, 0.0, math.inf
        self._receiving: Phase | None = None  # HEAD or BODY while a request is arriving
        self._head_bytes = 0
        self._broken = False
        self._noted: RequestResponseCycle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the connection, or refuse it."""
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, UNREAD_BYTES)
        lingering = LingeringTransport(cast("asyncio.Transport", transport), self._is_still_sending, self._update_phase)
        super().connection_made(lingering)
        self.address = self.client[0] if self.client else ""
        if self.clients.admit(self):
            self._enter(Phase.NEW)
        else:
            self.transport.write(refusal(HTTPStatus.SERVICE_UNAVAILABLE, FULL))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self.clients.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, unless no more data from this client is needed."""
        if self.transport.is_closing():
            self.transport.discard(len(data))
        elif not self._broken:
            super().data_received(data)
            self._head_bytes += len(data) if self._receiving is Phase.HEAD else 0
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HEAD_TOO_LARGE)
            self._update_phase()

    def on_message_begin(self) -> None:
        """The parser saw a request's first byte."""
        self._receiving, self._head_bytes = Phase.HEAD, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw the end of a head; an exception makes the request malformed."""
        version, hosts = self.parser.get_http_version(), sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1") or hosts > 1 or (hosts == 0 and version == "1.1"):
            raise ValueError("another version, or not one Host")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")
        self._receiving, self._head_bytes = Phase.BODY, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser saw a request's last byte."""
        self._receiving = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, partial(self._run, cycle, app))

    async def _run(self, cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and _ends_connection(cycle):
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, sending)

    def on_response_complete(self) -> None:
        """A response is handed to the transport; uvicorn's own timer is not needed."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._update_phase()

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        super().pause_writing()
        self._update_phase()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._update_phase()

    def send_400_response(self, msg: str) -> None:
        """The parser could not read the request."""
        del msg  # uvicorn's text
        self.clients.malformed.say(self.address)
        self._refuse(HTTPStatus.BAD_REQUEST, MALFORMED)

    def shutdown(self) -> None:
        """The server stops: requests in progress are finished, any other wait gets a few seconds."""
        super().shutdown()
        self._update_phase()
        if self.phase is not Phase.WORK:
            self._unsent = 0  # so that no progress extends the deadline
            self.deadline = min(self.deadline, self.loop.time() + self.limits.drain)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase in (Phase.STALLED, Phase.CLOSING) and self._made_progress():
            self.deadline = self.loop.time() + self.limits.stalled
            return
        if self.phase in (Phase.HEAD, Phase.BODY, Phase.STALLED):
            self.clients.slow.say(self.address)
        if self.phase in (Phase.HEAD, Phase.BODY):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, TOO_LATE)
        elif self.phase in (Phase.NEW, Phase.IDLE):
            self.transport.close()
        else:
            self.transport.abort()

    def drop(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _update_phase(self) -> None:
        """Set the deadline if what the connection waits for has changed."""
        phase = self._waits_for()
        if self.phase is Phase.NEW and phase is Phase.HEAD:
            self.phase = phase  # the head's time limit counts from the connection
        elif phase is not self.phase or self.cycle is not self._noted:
            self._enter(phase)

    def _enter(self, phase: Phase) -> None:
        self.phase, self._noted, self.since = phase, self.cycle, self.loop.time()
        self._unsent = self.transport.get_write_buffer_size()
        flushing = phase is Phase.CLOSING and self._unsent
        self.deadline = self.since + self.clients.seconds[Phase.STALLED if flushing else phase]

    def _waits_for(self) -> Phase:
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.STALLED
        if self._is_answering():
            return Phase.BODY if self.cycle.more_body else Phase.WORK
        if self._receiving is None:
            return Phase.NEW if self.cycle is None else Phase.IDLE
        return Phase.HEAD if self._receiving is Phase.HEAD else Phase.DRAIN

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_still_sending(self) -> bool:
        return self._receiving is not None

    def _made_progress(self) -> bool:
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return before - self._unsent >= LEAST_PROGRESS

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Stop reading from this client; send the reason, unless the response to another request is still due."""
        self._broken = True
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self._is_answering() and (self.cycle.response_started or self.pipeline):
            self.transport.abort()
        else:
            self.transport.write(refusal(status, detail))
            if self._is_answering():
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.close()


def _ends_connection(cycle: RequestResponseCycle) -> bool:
    """Whether too much of the body, or an unknown amount of it, is still to come."""
    if not cycle.more_body:
        return False
    # A client that waits for "100 Continue" and gets another response may go on with its next request.
    if cycle.waiting_for_100_continue:
        return True
    lengths = [int(value) for name, value in cycle.scope["headers"] if name == b"content-length"]
    return not lengths or max(lengths) > SMALL_REMAINDER
