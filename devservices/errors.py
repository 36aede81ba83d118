"""What can go wrong while a service for development is found or started."""


class DevServiceError(Exception):
    """Base of all errors here. Its text is one line, made to be shown as it is."""


class ServiceNotFoundError(DevServiceError):
    """No way of getting the service works on this machine."""


class ServiceStartError(DevServiceError):
    """A server was started and did not come up."""


class NotControllableError(DevServiceError):
    """The service was not started here, so it is not ours to stop, kill or freeze."""


class ToolFailedError(DevServiceError):
    """A tool of the server, such as rabbitmqctl, ended with an error."""
