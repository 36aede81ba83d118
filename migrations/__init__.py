"""Alembic revisions: the same schema on SQLite and PostgreSQL.

env            runs them, alone, and writes down whose programs run on what they leave
program_compatibility  what each declares of that
online         steps on tables that are in use
sqlite_tables  tables of SQLite that are made anew
"""
