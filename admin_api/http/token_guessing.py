"""Wrong tokens: slowed down per client address and logged; a known token always works."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from starlette.datastructures import Headers

from admin_api.http.auth import Identity, Tokens, UnknownToken, authenticate
from admin_api.http.problems import RequestRejected
from serving.rate_limited_log import RateLimitedLog

BURST = 10
SECONDS_PER_TOKEN = 6.0
PAUSE_SECONDS = 1.0
MOST_PAUSING = 64
MOST_ADDRESSES = 10_000
UNKNOWN = "unknown"
NETWORK_OF_ONE_CLIENT = 64
"""Bits: an IPv6 client has a network of its own, with any number of addresses."""


class GuessLimiter:
    """Counts the wrong tokens of each address: `burst` of them are free, and one more every six seconds.

    Beyond that a response comes `pause` seconds late, so that a client that guesses tokens in sequence waits for each.
    """

    def __init__(
        self, burst: int = BURST, pause: float = PAUSE_SECONDS, clock: Callable[[], float] = monotonic
    ) -> None:
        self._allowance, self._pause_seconds, self._clock = burst * SECONDS_PER_TOKEN, pause, clock
        self._paid_until: OrderedDict[str, float] = OrderedDict()
        self._pausing = 0
        self._wrong = RateLimitedLog("admin_api", "wrong_tokens")

    async def identify(self, headers: Headers, host: str | None, tokens: Tokens) -> Identity:
        """Returns whose request it is; raises RequestRejected: 401, or 429 after too many wrong tokens."""
        try:
            return authenticate(headers, tokens)
        except UnknownToken:
            address = client_of(host)
            self._wrong.say(address)
            seconds = self._count(address)
            if seconds <= 0:
                raise
        await self._pause()
        raise RequestRejected(
            429,
            "too-many-wrong-tokens",
            "Too many unknown tokens came from this address; a known one is accepted at any time.",
            headers={"Retry-After": str(ceil(seconds)), "Connection": "close"},
        )

    def _count(self, address: str) -> float:
        """Count a wrong token; if it is one too many, returns the seconds (over 0) until the next one is allowed."""
        now = self._clock()
        paid_until = max(self._paid_until.get(address, now), now) + SECONDS_PER_TOKEN
        seconds = paid_until - now - self._allowance
        if seconds <= 0:
            self._paid_until[address] = paid_until
        self._paid_until.move_to_end(address)
        if len(self._paid_until) > MOST_ADDRESSES:
            self._paid_until.popitem(last=False)
        return seconds

    async def _pause(self) -> None:
        # Each pause keeps a connection open, so their number is limited: further responses are sent at once.
        if self._pausing >= MOST_PAUSING:
            return
        self._pausing += 1
        try:
            await asyncio.sleep(self._pause_seconds)
        finally:
            self._pausing -= 1


def client_of(host: str | None) -> str:
    """Returns what counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return UNKNOWN
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, NETWORK_OF_ONE_CLIENT), strict=False))
