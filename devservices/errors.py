"""What can go wrong while a service for development is found or started."""


class DevServiceError(Exception):
    """Base of all errors here. Its text is one line that can be shown as it is."""


class ServiceNotFoundError(DevServiceError):
    """The service can be neither found nor started on this machine."""


class ServiceStartError(DevServiceError):
    """A server was started and did not become ready."""


class NotControllableError(DevServiceError):
    """The service was not started here, so it cannot be stopped, killed or frozen from here."""


class ToolFailedError(DevServiceError):
    """A tool of the server, such as rabbitmqctl, ended with an error."""
