"""Runs migrations on the connection that `store.database` hands over."""

from typing import Any, Literal

from alembic import context

from twinrow.store.tables import Instant, Json, metadata


def plain_type(kind: str, value: Any, autogenerate: Any) -> str | Literal[False]:  # noqa: ARG001
    """Write our own column types as what the database keeps, so that a migration does not depend on today's code."""
    if kind == "type" and isinstance(value, Instant):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(value, Json):
        return "sa.Text()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=plain_type,
)
with context.begin_transaction():
    context.run_migrations()
