"""The pages that show the HTTP API and the messages; third-party files come from installed packages."""
