"""What plans, undo, settled conflicts and verification keep."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables."""
    _add_verification()
    op.add_column("leases", sa.Column("stopped", sa.Boolean(), server_default=sa.false(), nullable=False))
    _add_plans()
    _add_undone()


def _add_verification() -> None:
    op.create_table(
        "pilot_records",
        sa.Column("mapping_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mapping_id", "key", name=op.f("pk_pilot_records")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mapping_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("compared", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_verifications_mapping_id"), "verifications", ["mapping_id"])
    op.create_table(
        "verified",
        sa.Column("verification_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coupling_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("one_way", sa.BigInteger(), nullable=True),
        sa.Column("to_integration", sa.BigInteger(), nullable=True),
        sa.Column("from_integration", sa.BigInteger(), nullable=True),
        sa.Column("loose_values", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("verification_id", "coupling_id", name=op.f("pk_verified")),
        sqlite_with_rowid=False,
    )


def _add_plans() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "plans",
        sa.Column("id", number, nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mappings", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_plans_connection_id"), "plans", ["connection_id"])
    op.create_table(
        "plan_passes",
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("mapping_id", sa.BigInteger(), nullable=False),
        sa.Column("pass", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.Column("ignored_reasons", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "mapping_id", "pass", name=op.f("pk_plan_passes")),
    )
    op.create_table(
        "plan_batches",
        sa.Column("id", number, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("mapping_id", sa.BigInteger(), nullable=False),
        sa.Column("pass", sa.Text(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_batches")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_plan_batches_plan_id"), "plan_batches", ["plan_id"])


def _add_undone() -> None:
    op.create_table(
        "undone",
        sa.Column("coupling_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("mapping_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("local_value", sa.Text(), nullable=True),
        sa.Column("integration_value", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("coupling_id", "field", name=op.f("pk_undone")),
    )
    op.create_index(op.f("ix_undone_mapping_id"), "undone", ["mapping_id"])
