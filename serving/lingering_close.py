"""Closes a connection in such a way that the response still arrives."""

import asyncio
from collections.abc import Callable
from typing import Any

MOST_DISCARDED = 1024 * 1024


class LingeringTransport(asyncio.Transport):
    """A transport whose `close` keeps reading for a while if the client may still be sending.

    Closing a socket with unread bytes resets the connection, and the reset can overtake the response.
    """

    def __init__(
        self, transport: asyncio.Transport, still_sending: Callable[[], bool], on_close: Callable[[], None]
    ) -> None:
        super().__init__()
        self._transport, self._still_sending, self._on_close = transport, still_sending, on_close
        self._closing, self._discarded = False, 0

    def close(self) -> None:
        """End the connection after everything is sent, and the client has had time to read it."""
        if self.is_closing():
            return
        self._closing = True
        if self._still_sending():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()
        self._on_close()

    def discard(self, count: int) -> None:
        """Count bytes received after `close`; after too many of them, stop reading."""
        self._discarded += count
        if self._discarded > MOST_DISCARDED:
            self._transport.pause_reading()

    def is_closing(self) -> bool:
        """Whether the connection is closing, so that nothing more is sent."""
        return self._closing or self._transport.is_closing()

    def abort(self) -> None:
        """End the connection now."""
        self._closing = True
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, unless the connection is ending."""
        if not self.is_closing():
            self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        """Returns the number of bytes that are not sent yet."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Returns the transport's own information."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue reading."""
        self._transport.resume_reading()
