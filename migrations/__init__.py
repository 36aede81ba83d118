"""Alembic revisions: the same schema on SQLite and PostgreSQL.

env                    runs them, one process at a time, and records which programs run on the schema that they leave
program_compatibility  what each revision declares about that
non_blocking_ddl       steps on tables that are in use
sqlite_tables          rebuilds tables on SQLite
"""
