"""The benchmark itself: it measures what it says, notices wrong results, and its table tells what is reached."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bench import databases, matching, plain_loop
from bench.__main__ import application
from bench.measuring import Measurement, median, run_apart
from bench.over_http import Sent, send_all
from bench.report import Figure, Line, table
from bench.synchronizing import WrongResultError
from bench.workload import CUSTOMER_COLUMNS, STATUS_CODES, SqlitePlace, make_customers
from typer.testing import CliRunner


def test_the_workload_is_the_same_every_time() -> None:
    first, second = make_customers(500), make_customers(500)
    assert first.equals(second)
    assert not first.equals(make_customers(500, seed=2))
    assert first.columns == list(CUSTOMER_COLUMNS)
    assert first["id"].n_unique() == 500
    assert set(first["blocked"]) == set(STATUS_CODES)
    assert first["modified_at"].is_sorted()


def test_the_plain_loop_makes_accounts_of_customers(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    place.fill(make_customers(10))
    assert plain_loop.initial_load(place) == 10
    customers = place.read(place.customers_url, "SELECT no, email, country_code, blocked FROM customers")
    query = "SELECT accountnumber, emailaddress1, address1_country, statuscode FROM accounts"
    assert list(place.read(place.accounts_url, query)) == [
        (f"C-{number}", email.lower(), country.upper(), STATUS_CODES[blocked])
        for number, email, country, blocked in customers
    ]


def test_a_digest_tells_accounts_apart(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    place.fill(make_customers(10))
    plain_loop.initial_load(place)
    before = place.accounts_digest()
    assert before == place.accounts_digest()
    one = "accountnumber = 'C-D0000003'"
    place.execute(place.accounts_url, f"UPDATE accounts SET creditlimit = creditlimit + 0.01 WHERE {one}")
    assert place.accounts_digest() != before


def test_small_jobs_between_databases() -> None:
    """All jobs on a few rows: both ways lead to the same accounts, or the measurement would not end."""
    lines = list(databases.measure("sqlite", 300, "ABC", 1))
    assert [line.work for line in lines] == [
        "sqlite: initial load, both directions",
        "sqlite: memory of the initial load",
        "sqlite: nothing changed",
        "sqlite: 1 % changed on one side",
    ]
    load, memory, nothing, changes = lines
    assert load.took is not None
    assert load.beside is not None
    assert load.took.rows == load.beside.rows == 300
    assert load.figure.value == load.beside.seconds / load.took.seconds
    assert memory.figure.value == load.took.peak_megabytes
    assert nothing.took is not None
    assert nothing.took.rows == 0
    assert changes.took is not None
    assert changes.took.rows == 3


def test_a_small_matching() -> None:
    joined, read, memory = matching.measure(300, 1)
    assert joined.took is not None
    assert joined.took.rows == 300
    assert joined.beside is not None
    assert joined.figure.value == joined.took.seconds / joined.beside.seconds
    assert (read.took, memory.figure.value) == (joined.took, joined.took.peak_megabytes)


def test_a_wrong_result_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter("ab")
    monkeypatch.setattr(SqlitePlace, "accounts_digest", lambda _: next(digests))
    with pytest.raises(WrongResultError, match="differ from those of the plain loop"):
        list(databases.measure("sqlite", 10, "A", 1))


def doubled(number: int) -> int:
    return 2 * number


def prepared(number: int) -> int:
    return number + 1


def failing() -> int:
    raise SystemExit(3)


def test_a_job_is_measured_in_a_process_of_its_own() -> None:
    took = run_apart(doubled, 4, prepare=prepared)
    assert took.rows == 10
    assert took.seconds >= 0
    assert took.peak_megabytes is not None
    assert took.peak_megabytes > 1
    with pytest.raises(RuntimeError, match="failing ended with exit code 3"):
        run_apart(failing)


def test_the_median() -> None:
    took = [Measurement(1, seconds, 10 - seconds, 1.0) for seconds in (5.0, 1.0, 3.0)]
    assert median(took).seconds == 3
    assert median(took, by=lambda one: one.cpu_seconds).seconds == 3
    assert median(took[:2]).seconds == 1, "of two, the better one"


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (Figure(0.5, "{:.2f} ×", 0.45, 0.8), "yes"),
        (Figure(0.9, "{:.2f} ×", 0.45, 0.8), "yes, and the aim"),
        (Figure(0.44, "{:.2f} ×", 0.45, 0.8), "no"),
        (Figure(60, "{:.0f} µs", 60, 25, least=False), "yes"),
        (Figure(61, "{:.0f} µs", 60, 25, least=False), "no"),
        (Figure(20, "{:.0f} µs", 60, 25, least=False), "yes, and the aim"),
        (Figure(20, "{:.0f} µs", 60, least=False), "yes"),
        (Figure(20, "{:.0f} µs", least=False), ""),
    ],
)
def test_what_is_reached(figure: Figure, reached: str) -> None:
    assert figure.reached == reached


def test_the_table() -> None:
    took = Measurement(1_000, 0.25, 0.2, 90.4)
    beside = Measurement(1_000, 12.34, 12.3)
    text = table([Line("a load", 1_000, Figure(0.5, "{:.2f} ×", 0.45), took, beside, 3, "a note")])
    head, rule, row = text.splitlines()
    assert len(head) == len(rule) == len(row)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "a load",
        "1 000",
        "0.50 ×",
        "≥ 0.45 ×",
        "",
        "yes",
        "250 ms",
        "200 ms",
        "90 MB",
        "12.3 s",
        "12.3 s",
        "",
        "3",
        "a note",
    ]


@dataclass
class Watching:
    """Stands for the bare client: notes what had been answered when a request began; two must be under way at once."""

    sent: list[Sent]
    answered: set[int] = field(default_factory=set)
    found: dict[int, set[int]] = field(default_factory=dict)
    both: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def send(self, number: int) -> None:
        self.found[number] = set(self.answered)
        if number in (1, 2):
            self.both.wait(timeout=60)
        self.answered.add(number)


def test_the_bare_client_waits_for_what_had_been_answered_and_for_nothing_else() -> None:
    times = [(0, 1), (2, 5), (3, 6), (7, 8)]
    client = Watching([Sent(began, ended, "GET", "https://x", [], b"") for began, ended in times])
    assert send_all(client) == 4  # type: ignore[arg-type]
    assert client.found == {0: set(), 1: {0}, 2: {0}, 3: {0, 1, 2}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--job", "BC"], "none of A, AB, AC, ABC"),
        (["--part", "moon"], "databases"),
        (["--on", "oracle"], "postgresql"),
    ],
)
def test_wrong_options(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(application, arguments)
    assert result.exit_code == 2
    assert said in result.output
