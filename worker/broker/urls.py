"""AMQP_URL: one broker or several, and in which order they are tried."""

import re
from collections.abc import Sequence
from random import Random

from yarl import URL

from distribution.backoff import Backoff

SCHEMES = ("amqp", "amqps")
EXPECTED = "expected amqp://user:password@host:port/vhost, several separated by commas"
HEARTBEAT_SECONDS = 15
CONNECT_SECONDS = 10
LONGEST_SECONDS = 600
TLS_PARAMETERS = ("cadata", "cafile", "capath", "certfile", "keyfile", "no_verify_ssl")
PARAMETERS = ("auth", "heartbeat", "name", "timeout", *TLS_PARAMETERS)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20

WHOLE = re.compile(r",\s*(?=amqps?://)")
PARTS = re.compile(r"(?P<scheme>\w+://)(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<rest>[/?#].*)?")


def parse(text: str) -> tuple[URL, ...]:
    """Every broker of AMQP_URL, in order. Raises ValueError with a message that contains no part of the text.

    Commas separate whole addresses (amqp://u:p@a/,amqp://u:p@b/), or hosts that share the rest (amqp://u:p@a,b:5673/v).
    """
    urls = [_url(address) for whole in WHOLE.split(text) for address in _per_host(whole.strip())]
    if len({url.scheme for url in urls}) > 1:
        raise ValueError("mixes amqp:// and amqps://: with TLS on some brokers only, it would protect nothing")
    return tuple(urls)


def host_port(url: URL) -> str:
    """Host and port of a broker, for logs."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host
    return f"{host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"


def _per_host(whole: str) -> list[str]:
    match = PARTS.fullmatch(whole)
    if match is None:
        raise ValueError(f"is not an AMQP address, {EXPECTED}")
    user, hosts, rest = match["user"], match["hosts"].split(","), match["rest"] or ""
    if "@" in (rest if user is None else rest.partition("?")[0]):
        # Part of a user or a password would be taken for a host, and shown as such.
        raise ValueError(
            "has an @ behind a host: write it %40, and in a user or a password / as %2F, ? as %3F, # as %23"
        )
    if "," in rest:
        raise ValueError("has a comma behind a host: write it %2C; before another whole address amqp:// must follow it")
    if user is not None and "@" in user and "," in user:
        raise ValueError("has several users in one address: write whole addresses, separated by commas")
    before = match["scheme"] + (f"{user}@" if user is not None else "")
    return [f"{before}{host.strip()}{rest}" for host in hosts]


def _url(text: str) -> URL:
    if re.search(r"\s", text):
        raise ValueError("has white space inside an address")  # which the parser would drop silently
    try:
        url = URL(text)
        (url.host or "").encode("idna")
    except ValueError:
        raise ValueError(f"is not an address, {EXPECTED}") from None
    if url.scheme not in SCHEMES or not url.host:
        raise ValueError(f"is not an AMQP address, {EXPECTED}")
    if url.query.get("auth", "plain").lower() not in ("plain", "external"):
        raise ValueError("asks for an unknown auth, expected plain or external")
    # Report only its position: if a password has an unescaped ?, the name is a part of the password.
    unknown = [number for number, name in enumerate(url.query, start=1) if name not in PARAMETERS]
    if unknown:
        raise ValueError(f"has a parameter (number {unknown[0]}) that is not known, expected {', '.join(PARAMETERS)}")
    if len(set(url.query)) < len(url.query):
        raise ValueError("has a parameter twice")
    connect_seconds(url)
    heartbeat = _seconds(url, "heartbeat", least=0, usual=HEARTBEAT_SECONDS)
    return url.update_query(heartbeat=heartbeat)


def connect_seconds(url: URL) -> int:
    """How long connecting to a broker may take."""
    return _seconds(url, "timeout", least=1, usual=CONNECT_SECONDS)


def _seconds(url: URL, name: str, *, least: int, usual: int) -> int:
    text = url.query.get(name, str(usual))
    if not text.isdecimal() or not least <= int(text) <= LONGEST_SECONDS:
        raise ValueError(f"has a {name} that is not a number of seconds from {least} to {LONGEST_SECONDS}")
    return int(text)


class BrokerRotation:
    """Which broker to try next: one after the other, with a growing pause after each round of all.

    Only a connection that lasted resets the pause: a broker that accepts and drops us at once is not hammered.
    """

    def __init__(self, urls: Sequence[URL], random: Random, longest_pause: float = LONGEST_PAUSE_SECONDS) -> None:
        self._urls, self._random = list(urls), random
        random.shuffle(self._urls)
        self._tries = 0
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, longest_pause)

    @property
    def url(self) -> URL:
        """The broker to try now."""
        return self._urls[0]

    def failed(self) -> float:
        """Go on to the next broker; returns how many seconds to pause first."""
        self._urls.append(self._urls.pop(0))
        self._tries += 1
        if self._tries % len(self._urls):
            return 0.0
        return self._backoff.pause() * self._random.uniform(0.5, 1.0)

    def lasted(self) -> None:
        """The connection lasted: the next failure is the first of a new round."""
        self._tries = 0
        self._backoff.reset()
