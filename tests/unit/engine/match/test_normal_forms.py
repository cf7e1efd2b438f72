"""What does not count when values are compared: case, accents, punctuation, legal forms, trunk prefixes."""

from __future__ import annotations

import polars as pl
import pytest

from twinrow.engine.match.normal_forms import normal_form
from twinrow.model.mapping import Compare


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Compare.NAME, "Zoë O'Brien", "ZOE OBRIEN"),
        (Compare.NAME, "Søren  Kjær-Hansen", "soren kjaer hansen"),
        (Compare.NAME, "Иван Петров", "Ivan Petrov"),
        (Compare.COMPANY, "Müller & Söhne GmbH & Co. KG", "MULLER AND SOHNE"),
        (Compare.COMPANY, "Contoso, Ltd.", "contoso limited"),
        (Compare.COMPANY, "The Cannon Group PLC", "Cannon Group"),
        (Compare.COMPANY, "Société Générale S.A.", "Societe Generale"),
        (Compare.ADDRESS, "12 Station Street, Suite 4", "12 station st. ste 4"),
        (Compare.ADDRESS, "Hauptstraße 7", "Hauptstr. 7"),
        (Compare.ADDRESS, "Bahnhof Straße 3", "bahnhof str 3"),
        (Compare.PHONE, "+49 (0)89 123 456-7", "089 1234567"),
        (Compare.PHONE, "+1 425 555 0100 ext. 12", "(425) 555-0100"),
        (Compare.EMAIL, " mailto:Ann@Contoso.com", "ann@contoso.com"),
        (Compare.NUMBER, "DE 000-123.4", "de0001234"),
        (Compare.NUMBER, "00042", "42"),
        (Compare.DATE, "1999-12-31", "19991231"),
    ],
)
def test_two_ways_to_write_one_thing_are_the_same(kind: Compare, one: str, other: str) -> None:
    forms = normal_form(pl.Series("value", [one, other]), kind)
    assert forms[0] == forms[1]
    assert forms[0]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Compare.NAME, "Ann Smith", "Anna Smith"),
        (Compare.COMPANY, "Contoso Ltd", "Fabrikam Ltd"),
        (Compare.COMPANY, "Holding AG", "Group Ltd"),
        (Compare.PHONE, "089 1234567", "089 1234568"),
        (Compare.NUMBER, "4200", "42"),
    ],
)
def test_different_things_stay_different(kind: Compare, one: str, other: str) -> None:
    forms = normal_form(pl.Series("value", [one, other]), kind)
    assert forms[0] != forms[1]


@pytest.mark.parametrize("kind", [kind for kind in Compare if kind is not Compare.NONE])
def test_what_says_nothing_is_null(kind: Compare) -> None:
    assert normal_form(pl.Series("value", [None, "", " . "]), kind).to_list() == [None, None, None]
