"""Migrations: immutable files that alembic runs in order; packaged with the wheel."""
