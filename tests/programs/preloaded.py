"""What the programs import. A process that has done so forks them; it must start no thread and open nothing."""

import alembic.command
import alembic.config
import uvicorn
import uvloop

import admin_api.app
import migrations.program_compatibility
import serving.config
import worker.app
import worker.cli.check
import worker.cli.parked
import worker.cli.publish
import worker.cli.watch

__all__ = ["admin_api", "alembic", "migrations", "serving", "uvicorn", "uvloop", "worker"]
