"""Closes a connection so that the response still arrives."""

import asyncio
from collections.abc import Callable
from typing import Any

MOST_DISCARDED = 1024 * 1024


class LingeringTransport(asyncio.Transport):
    """A transport whose `close` reads on for a while if the client may still be sending.

    A socket that is closed with unread bytes in it resets the connection, and the reset can overtake the response.
    """

    def __init__(
        self, transport: asyncio.Transport, still_sending: Callable[[], bool], on_close: Callable[[], None]
    ) -> None:
        super().__init__()
        self._transport, self._still_sending, self._on_close = transport, still_sending, on_close
        self._closing, self._discarded = False, 0

    def close(self) -> None:
        """End the connection once everything is sent, and the client has read it or had the time to."""
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
        """Note bytes that came after `close`; after too many of them the client has to wait for its end."""
        self._discarded += count
        if self._discarded > MOST_DISCARDED:
            self._transport.pause_reading()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
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
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport has it."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Let the client wait."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()
