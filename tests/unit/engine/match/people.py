"""People in two systems, some in both, written down with the slips that people make; who is who is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, table
from twinrow.testing.pair import field as mapped

_FIRST = [
    "Anna",
    "Boris",
    "Carla",
    "David",
    "Elena",
    "Farid",
    "Greta",
    "Hanna",
    "Igor",
    "Julia",
    "Karim",
    "Laura",
    "Marco",
    "Nadia",
    "Oscar",
    "Paula",
    "Quentin",
    "Rosa",
    "Stefan",
    "Tamara",
    "Ulrich",
    "Vera",
    "Walter",
    "Xenia",
    "Yusuf",
    "Zora",
    "Agnes",
    "Bernd",
    "Clara",
    "Dieter",
    "Emil",
    "Frida",
    "Gustav",
    "Hilde",
    "Ivan",
    "Jonas",
    "Katja",
    "Lorenz",
]
_BEGIN = [
    "Adler",
    "Brand",
    "Claus",
    "Dorn",
    "Eber",
    "Falk",
    "Grun",
    "Hart",
    "Irmen",
    "Jung",
    "Klein",
    "Lind",
    "Moser",
    "Neu",
    "Ober",
    "Pohl",
    "Quast",
    "Rein",
    "Stein",
    "Thal",
]
_END = ("berg", "mann", "feld", "hof", "meyer", "bach", "hauser", "wald", "dorf", "stetter")
_STREETS = (
    "Station Street",
    "Mill Lane",
    "Church Road",
    "High Street",
    "Park Avenue",
    "Lake Drive",
    "Hill Road",
    "Oak Court",
)
_CITIES = {
    "Springfield": "42",
    "Riverton": "51",
    "Lakeside": "63",
    "Hillview": "70",
    "Oakdale": "88",
    "Brookfield": "17",
}

PEOPLE = table(
    "people",
    "id",
    *(Field(name, FieldType.TEXT, max_length=100) for name in ("firstName", "lastName", "street", "city", "postCode")),
    Field("birthDate", FieldType.DATE),
    Field("phone", FieldType.TEXT, max_length=30),
)
PERSONS = table(
    "person",
    "personid",
    *(
        Field(name, FieldType.TEXT, max_length=100)
        for name in ("first_name", "last_name", "street", "city", "post_code")
    ),
    Field("birth_date", FieldType.DATE),
    Field("telephone", FieldType.TEXT, max_length=30),
)
NAMES = (
    ("firstName", "first_name"),
    ("lastName", "last_name"),
    ("street", "street"),
    ("city", "city"),
    ("postCode", "post_code"),
    ("birthDate", "birth_date"),
    ("phone", "telephone"),
)


def person_mapping(**more: object) -> TableMapping:
    values: dict[str, object] = {
        "name": "PERSON",
        "local_table": "people",
        "integration_table": "person",
        "only_coupled": False,
        "fields": tuple(mapped(local, integration) for local, integration in NAMES),
    }
    return TableMapping(**(values | more))  # type: ignore[arg-type]


@dataclass
class People:
    """Fills a pair of systems, and remembers which records are the same person."""

    pair: MemoryPair
    seed: int = 7
    same: dict[str, str] = field(default_factory=dict)
    """Local ids and the integration ids of the same people."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def person(self) -> dict[str, str | None]:
        """Return somebody new, in local terms."""
        pick = self.chance.choice
        city = pick(list(_CITIES))
        return {
            "firstName": pick(_FIRST),
            "lastName": pick(_BEGIN) + pick(_END),
            "street": f"{self.chance.randint(1, 199)} {pick(_STREETS)}",
            "city": city,
            "postCode": _CITIES[city] + f"{self.chance.randint(0, 99):02}",
            "birthDate": f"{self.chance.randint(1930, 2005)}-{self.chance.randint(1, 12):02}-{self.chance.randint(1, 28):02}",
            "phone": f"0{self.chance.randint(100, 999)} {self.chance.randint(100000, 999999)}",
        }

    def slip(self, text: str) -> str:
        """Return a text with one typing error."""
        at = self.chance.randrange(1, len(text))
        return self.chance.choice(
            [
                text[:at] + text[at + 1 :],
                text[:at] + text[at - 1] + text[at:],
                text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :],
            ]
        )

    def add(self, side: Side, person: dict[str, str | None]) -> str:
        """Add a person to a side."""
        if side is Side.LOCAL:
            return self.pair.local.add("people", person)
        return self.pair.integration.add("person", {theirs: person[ours] for ours, theirs in NAMES})

    def both(self, count: int, slips: int = 1) -> None:
        """Add people to both sides, with so many slips on the integration side."""
        for _ in range(count):
            person = self.person()
            written = dict(person)
            for _ in range(slips):
                name = self.chance.choice(["firstName", "lastName", "street"])
                written[name] = self.slip(str(written[name]))
            self.same[self.add(Side.LOCAL, person)] = self.add(Side.INTEGRATION, written)

    def alone(self, side: Side, count: int) -> list[str]:
        """Add people to one side only."""
        return [self.add(side, self.person()) for _ in range(count)]


def people_pair(store: str = "sqlite://") -> MemoryPair:
    """Return a pair of systems for people."""
    return MemoryPair(person_mapping(), local_tables=(PEOPLE,), integration_tables=(PERSONS,), store=store)
