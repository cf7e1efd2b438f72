"""What kind of value a field holds follows from what it is called, on either side."""

from __future__ import annotations

import pytest

from twinrow.engine.fields import plan_fields
from twinrow.engine.match.kinds import compared_fields
from twinrow.engine.match.stock import Shared
from twinrow.model.errors import ConfigurationError
from twinrow.model.mapping import Compare, TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.pair import field


def compared(
    local: str,
    integration: str,
    caption: str = "",
    kind: FieldType = FieldType.TEXT,
    asked: Compare | None = None,
) -> tuple[str, str | None]:
    """Return as what a field is compared, and what it shares; "" where it is not."""
    row = field(local, integration, caption=caption, compare=asked)
    other = field("other", "else")
    mapping = TableMapping(name="M", local_table="a", integration_table="b", fields=(row, other))
    tables = {
        side: Table(
            "t", "id", {name: Field(name, kind if name != other.field(side) else FieldType.TEXT) for name in names}
        )
        for side, names in ((Side.LOCAL, (local, "other")), (Side.INTEGRATION, (integration, "else")))
    }
    plans = plan_fields(mapping, tables, {}, (), {})
    found = {plan.key: told for plan, told in compared_fields(mapping, plans.plans)}
    told = found.get(row.key)
    return ("", None) if told is None else (told.kind.value, told.shared)


@pytest.mark.parametrize(
    ("local", "integration", "caption", "kind", "shared"),
    [
        ("displayName", "name", "Name", Compare.COMPANY, None),
        ("contact", "address1_primarycontactname", "Contact", Compare.NAME, None),
        ("firstName", "firstname", "", Compare.NAME, None),
        ("surname", "last_name", "", Compare.NAME, None),
        ("addressLine1", "address1_line1", "Address", Compare.ADDRESS, Shared.PLACE),
        ("street_number", "house_no", "", Compare.NUMBER, Shared.PLACE),
        ("postalCode", "address1_postalcode", "Post Code", Compare.NUMBER, Shared.PLACE),
        ("city", "address1_city", "City", Compare.NAME, Shared.PLACE),
        ("phoneNumber", "telephone1", "Phone No.", Compare.PHONE, Shared.REACH),
        ("website", "websiteurl", "Home Page", Compare.TEXT, Shared.REACH),
        ("email", "emailaddress1", "E-Mail", Compare.EMAIL, None),
        ("number", "accountnumber", "No.", Compare.NUMBER, None),
        ("taxRegistrationNumber", "vatno", "", Compare.NUMBER, None),
        ("dateOfBirth", "birthdate", "", Compare.DATE, None),
        ("remark", "comment", "", Compare.TEXT, None),
    ],
)
def test_the_kind_follows_from_the_name(
    local: str, integration: str, caption: str, kind: Compare, shared: Shared | None
) -> None:
    assert compared(local, integration, caption) == (kind.value, shared)


@pytest.mark.parametrize("kind", [FieldType.GUID, FieldType.REFERENCE, FieldType.OPTION, FieldType.BOOLEAN])
def test_what_tells_people_nothing_is_not_compared(kind: FieldType) -> None:
    assert compared("blocked", "statecode", kind=kind) == ("", None)


def test_a_date_is_a_date_whatever_it_is_called() -> None:
    assert compared("since", "firstseen", kind=FieldType.DATE) == ("date", None)


def test_what_is_said_in_the_mapping_counts() -> None:
    assert compared("name", "title", asked=Compare.NAME) == ("name", None)
    assert compared("name", "title", asked=Compare.NONE) == ("", None)
    assert compared("amount", "total", kind=FieldType.INTEGER) == ("", None)
    assert compared("amount", "total", kind=FieldType.INTEGER, asked=Compare.NUMBER) == ("number", None)


def test_a_field_that_cannot_be_compared_so_is_named() -> None:
    with pytest.raises(ConfigurationError, match="blocked cannot be compared as name") as error:
        compared("blocked", "statecode", kind=FieldType.BOOLEAN, asked=Compare.NAME)
    assert "say none" in str(error.value.remedy)
