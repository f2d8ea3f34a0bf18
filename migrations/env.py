"""What Alembic runs to migrate: on the connection that migrations.upgrade hands over, inside its transaction."""

from alembic import context

import store.dataset_tables  # its tables are in the same metadata
import store.growth_table  # its table is in the same metadata
import store.queue_table  # its table is in the same metadata
import store.webhook_tables  # noqa: F401  # its tables are in the same metadata
from store.tables import metadata

connection = context.config.attributes["connection"]
# SQLite can roll back DDL once the driver is kept from committing before it, which store.database does.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
