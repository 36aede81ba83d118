"""The command-line clients of rabbitmq-c (`amqp-publish`), installed where that is possible."""

import shutil

from devservices.apt import can_install, install
from devservices.errors import ServiceNotFoundError

_PROGRAM, _PACKAGE = "amqp-publish", "amqp-tools"


def require_amqp_tools() -> None:
    """Return once `amqp-publish` can be run; raise an error that says how to install it."""
    if shutil.which(_PROGRAM) or (can_install() and install(_PACKAGE, _PACKAGE)):
        return
    raise ServiceNotFoundError(
        f"no {_PROGRAM}: install it (Debian, Ubuntu: apt-get install {_PACKAGE}; macOS: brew install rabbitmq-c)"
    )
