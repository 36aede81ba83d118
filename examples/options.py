"""Options that the bot's and the subscriber's command lines share."""

from typing import Annotated

import typer
from yarl import URL


def checked_address(text: str) -> str:
    """The address, where it is one; the client library would quote it, with its password."""
    try:
        (URL(text).host or "").encode("idna")
    except ValueError:
        raise typer.BadParameter("is not an address, expected amqp://user:password@host:port/vhost") from None
    return text


AmqpUrl = Annotated[str, typer.Option(envvar="AMQP_URL", callback=checked_address)]
Prefix = Annotated[str, typer.Option(envvar="BROKER_PREFIX")]
