"""Options that the bot's and the subscriber's command lines share."""

from typing import Annotated

import typer
from yarl import URL

SCHEMES = ("amqp", "amqps")


def checked_address(text: str) -> str:
    """The address, where it is one; the client library would quote it, with its password."""
    try:
        url = URL(text)
        host = (url.host or "").encode("idna")
    except ValueError:
        raise _bad() from None
    if not host or url.scheme not in SCHEMES:
        raise _bad()  # the library would try it again and again
    return text


def _bad() -> typer.BadParameter:
    return typer.BadParameter("is not an address, expected amqp://user:password@host:port/vhost")


AmqpUrl = Annotated[str, typer.Option(envvar="AMQP_URL", callback=checked_address)]
Prefix = Annotated[str, typer.Option(envvar="BROKER_PREFIX")]
