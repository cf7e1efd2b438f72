"""What plans, undo, settled conflicts and verification keep."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables."""
