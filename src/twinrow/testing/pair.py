"""A pair of systems in memory with a workspace over them, for tests of everything above the connectors.

    pair = MemoryPair()
    customer = pair.local.add("customers", {"displayName": "Adatum"})
    run = pair.synchronize()
    assert pair.counterpart(customer) in pair.integration.records("account")

The tables are a small cut of customers and accounts; hand in your own tables and mapping for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from twinrow.actions.results import Run
from twinrow.connectors.base import Connector
from twinrow.connectors.memory import MemorySystem
from twinrow.engine.context import EngineSettings
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.store.mappings import save_mapping
from twinrow.testing.clock import SettableClock
from twinrow.workspace import Workspace, open_workspace


def table(name: str, key: str, *fields: Field) -> Table:
    """Return a table with a GUID key and the given fields."""
    return Table(name, key, {field.name: field for field in (Field(key, FieldType.GUID), *fields)})


def _local(name: str, **more: Any) -> Field:
    return Field(name, more.pop("type", FieldType.TEXT), nullable=False, **more)


def _integration(name: str, **more: Any) -> Field:
    return Field(name, more.pop("type", FieldType.TEXT), empty_text=False, **more)


CUSTOMERS = table(
    "customers",
    "id",
    _local("displayName", max_length=100),
    _local("addressLine1", max_length=100),
    _local("city", max_length=30),
    _local("faxNo", max_length=30),
    _local("website", max_length=255),
    _local("number", type=FieldType.CODE, max_length=20),
    _local("phoneNumber", max_length=30),
    _local("blocked"),
)
ACCOUNTS = table(
    "account",
    "accountid",
    _integration("name", max_length=160),
    _integration("address1_line1", max_length=250),
    _integration("address1_city", max_length=80),
    _integration("fax", max_length=50),
    _integration("websiteurl", max_length=200),
    _integration("accountnumber", max_length=20),
    _integration("telephone1", max_length=50),
    Field("statecode", FieldType.OPTION),
)


def field(local: str | None, integration: str | None, **more: Any) -> FieldMapping:
    """Return a field mapping; values that do not fit are cut unless said otherwise."""
    if local is not None and integration is not None:
        more.setdefault("on_loss", "overwrite")
    return FieldMapping(local=local, integration=integration, **more)


CUSTOMER_FIELDS = (
    field("displayName", "name"),
    field("addressLine1", "address1_line1", merge_group="address"),
    field("city", "address1_city", merge_group="address"),
    field("faxNo", "fax"),
    field("website", "websiteurl"),
    field("number", "accountnumber", direction=Direction.TO_INTEGRATION),
    field("phoneNumber", "telephone1", direction=Direction.FROM_INTEGRATION),
)


def customer_mapping(**more: Any) -> TableMapping:
    """Return the mapping CUSTOMER over the small tables; it creates what is not coupled unless said otherwise."""
    values: dict[str, Any] = {
        "name": "CUSTOMER",
        "local_table": "customers",
        "integration_table": "account",
        "only_coupled": False,
        "fields": CUSTOMER_FIELDS,
    }
    return TableMapping(**(values | more))


class MemoryPair:
    """Two systems in memory, each with its own clock, and a workspace that connects them."""

    def __init__(
        self,
        mapping: TableMapping | Iterable[TableMapping] | None = None,
        *,
        local_tables: Iterable[Table] = (CUSTOMERS,),
        integration_tables: Iterable[Table] = (ACCOUNTS,),
        local: dict[str, Any] | None = None,
        integration: dict[str, Any] | None = None,
        store: str = "sqlite://",
        settings: EngineSettings | None = None,
        connection: dict[str, Any] | None = None,
    ) -> None:
        self.clock = SettableClock()
        self.clocks = {side: SettableClock() for side in Side}
        here: dict[str, Any] = {"name": "local", "clock": self.clocks[Side.LOCAL].tick}
        there: dict[str, Any] = {"name": "integration", "clock": self.clocks[Side.INTEGRATION].tick}
        self.local = MemorySystem(local_tables, **(here | (local or {})))
        self.integration = MemorySystem(integration_tables, **(there | (integration or {})))
        self._store = store
        self._settings = settings
        self._connectors: dict[str, Connector] = {"local": self.local, "integration": self.integration}
        self.workspace = self._open()
        self.workspace.add_connection("main", "local", "integration", connection)
        mappings = [mapping or customer_mapping()] if not isinstance(mapping, list | tuple) else list(mapping)
        for position, one in enumerate(mappings):
            assert isinstance(one, TableMapping)
            self.set_mapping(one, position)

    def _open(self) -> Workspace:
        workspace = open_workspace(self._store, clock=self.clock, settings=self._settings)
        for name, connector in self._connectors.items():
            workspace.attach(name, connector)
        return workspace

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workspace.close()

    def reopen(self) -> None:
        """Open the store anew, as another process would; the systems stay as they are."""
        self.workspace.close()
        self.workspace = self._open()

    def system(self, side: Side) -> MemorySystem:
        """Return the system of a side."""
        return self.local if side is Side.LOCAL else self.integration

    def wrap(self, side: Side, connector: Connector) -> None:
        """Put a connector (a hostile one, say) between the engine and the system of a side."""
        self._connectors[side.value] = connector
        self.workspace.attach(side.value, connector)

    def set_mapping(self, mapping: TableMapping, position: int = 0) -> None:
        """Add a mapping, or change the one with that name."""
        pair = self.workspace.show_connection()
        with self.workspace.context.database.transaction() as connection:
            save_mapping(connection, pair.id, position, mapping)

    def synchronize(self, mapping: str = "CUSTOMER", **options: Any) -> Run:
        """Run a mapping."""
        return self.workspace.synchronize(mapping, **options)

    def couple(self, local_id: str, integration_id: str, mapping: str = "CUSTOMER", use: str | None = None) -> None:
        """Couple two records."""
        self.workspace.couple(mapping, local_id, integration_id, use=use)

    def counterparts(self, side: Side = Side.LOCAL, mapping: str = "CUSTOMER") -> dict[str, str]:
        """Return the coupled records of a side with their counterparts."""
        frame = self.workspace.couplings(mapping)
        return dict(frame.select(f"{side.value}_id", f"{side.other.value}_id").iter_rows())

    def counterpart(self, id: str, side: Side = Side.LOCAL, mapping: str = "CUSTOMER") -> str | None:
        """Return the counterpart of a record of a side, if it is coupled."""
        return self.counterparts(side, mapping).get(id)
