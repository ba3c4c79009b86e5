"""What Alembic runs: the migrations, over the connection that app.db.migrate hands in."""

from alembic import context

from migrations.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
