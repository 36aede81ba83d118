"""Pull one image: `python -m devservices.pull NAME`."""

import sys

from devservices.docker_engine import ENGINE_ERRORS, connect


def main() -> int:
    """Pull it; exit status 1 if that fails."""
    client = connect()
    if client is None:
        return 1
    try:
        client.client.api.timeout = None
        client.client.images.pull(sys.argv[1])
    except ENGINE_ERRORS:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
