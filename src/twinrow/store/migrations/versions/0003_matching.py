"""What matching keeps: proposals, and what was learned from the records."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables."""
    _add_proposals()


def _add_proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mapping_id", sa.BigInteger(), nullable=False),
        sa.Column("local_key", sa.LargeBinary(), nullable=False),
        sa.Column("integration_key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sa.UniqueConstraint(
            "mapping_id",
            "local_key",
            "integration_key",
            name=op.f("uq_proposals_mapping_id_local_key_integration_key"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_proposals_mapping_id_state"), "proposals", ["mapping_id", "state"])
    op.create_index(op.f("ix_proposals_mapping_id_integration_key"), "proposals", ["mapping_id", "integration_key"])
    op.create_table(
        "match_weights",
        sa.Column("mapping_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mapping_id", name=op.f("pk_match_weights")),
    )
    op.create_table(
        "match_scored",
        sa.Column("mapping_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mapping_id", "side", "key", name=op.f("pk_match_scored")),
        sqlite_with_rowid=False,
    )
