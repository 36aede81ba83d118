"""The release number, defined once: for the package, `--version`, OpenAPI and AsyncAPI."""

VERSION = "0.2.0"
