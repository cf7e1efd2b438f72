"""The contract of connectors in executable form: every connector passes it, and one that does works with the engine.

A connector's test file makes a `Subject` and subclasses `ConnectorContract`:

    from twinrow.testing.conformance import ConnectorContract, Subject

    class Lake(Subject):
        table = "accounts"

        def add(self, values): ...          # what somebody else does in the system,
        def edit(self, id, values): ...     # past the connector
        def remove(self, id): ...

    class TestLake(ConnectorContract):
        @pytest.fixture
        def subject(self, tmp_path):
            lake = Lake(LakeConnector(tmp_path))
            yield lake
            lake.connector.close()

The cases follow the life of a record: `describing`, `values`, `creating`, `updating`, `refusing`, `feeding`, `reading`,
`enduring`. What a table can do (`Capabilities`) decides what is asked; a case that does not apply is skipped with the
reason. Nothing asks which connector it is. A defect met in use becomes a case here.
"""

import pytest

for _module in (
    "creating",
    "describing",
    "enduring",
    "exchange",
    "feeding",
    "reading",
    "refusing",
    "updating",
    "values",
):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from twinrow.testing.conformance.creating import Creating  # noqa: E402 (after the registration)
from twinrow.testing.conformance.describing import Describing  # noqa: E402
from twinrow.testing.conformance.enduring import Enduring  # noqa: E402
from twinrow.testing.conformance.feeding import Feeding  # noqa: E402
from twinrow.testing.conformance.reading import Reading  # noqa: E402
from twinrow.testing.conformance.refusing import Refusing  # noqa: E402
from twinrow.testing.conformance.subject import Subject  # noqa: E402
from twinrow.testing.conformance.updating import Deleting, Updating  # noqa: E402
from twinrow.testing.conformance.values import Values  # noqa: E402

__all__ = [
    "ConnectorContract",
    "Creating",
    "Deleting",
    "Describing",
    "Enduring",
    "Feeding",
    "Reading",
    "Refusing",
    "Subject",
    "Updating",
    "Values",
]


class ConnectorContract(Describing, Values, Creating, Updating, Deleting, Refusing, Feeding, Reading, Enduring):
    """The whole contract. Subclasses give a fixture `subject`: a fresh `Subject` for each case."""
