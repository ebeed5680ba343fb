"""Alembic's entry: runs the migrations on the connection that `store.migrate` opened and locked."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="avouch",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
