"""Options that the bot's and the subscriber's command lines share."""

from typing import Annotated

import typer
from yarl import URL

SCHEMES = ("amqp", "amqps")


def checked_address(text: str) -> str:
    """The address if it is valid: the client library's error would quote it, with its password."""
    try:
        url = URL(text)
        host = (url.host or "").encode("idna")
    except ValueError:
        raise _bad_address() from None
    if not host or url.scheme not in SCHEMES:
        raise _bad_address()  # the library would retry it for ever
    return text


def _bad_address() -> typer.BadParameter:
    return typer.BadParameter("is not an address, expected amqp://user:password@host:port/vhost")


AmqpUrl = Annotated[str, typer.Option(envvar="AMQP_URL", callback=checked_address)]
Prefix = Annotated[str, typer.Option(envvar="BROKER_PREFIX")]
