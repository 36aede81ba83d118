"""Alembic revisions: the same schema on SQLite and PostgreSQL."""
