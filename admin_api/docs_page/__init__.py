"""The pages that show the HTTP API and the messages; what they load of others comes from installed packages."""
