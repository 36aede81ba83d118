"""Imports what the programs import, in the process that forks them: it must start no threads and open no files."""

import alembic.command
import alembic.config
import uvicorn
import uvloop

import admin_api.app
import migrations.program_compatibility
import serving.config
import worker.app
import worker.cli.consistency
import worker.cli.parked
import worker.cli.publish
import worker.cli.watch

__all__ = ["admin_api", "alembic", "migrations", "serving", "uvicorn", "uvloop", "worker"]
