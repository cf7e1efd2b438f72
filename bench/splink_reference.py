"""Splink on FEBRL's data set 4: run in an environment of its own, with two CSV files and a file for the pairs that it finds.

Comparisons and keys are those that its documentation suggests for such fields; all of its parameters are estimated from the data.
"""

from __future__ import annotations

import logging
import sys

import duckdb
import splink.comparison_library as compared
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

KEYS = (
    ("given_name", "surname"),
    ("date_of_birth",),
    ("surname", "postcode"),
    ("given_name", "postcode"),
    ("suburb", "given_name"),
    ("suburb", "surname"),
    ("address_1",),
    ("street_number", "postcode"),
    ("state", "street_number", "given_name"),
)


def main(left: str, right: str, result: str) -> None:
    logging.disable(logging.WARNING)
    connection = duckdb.connect()
    for name, path in (("left_list", left), ("right_list", right)):
        connection.execute(f"create table {name} as select * from read_csv('{path}', all_varchar = true)")
    api = DuckDBAPI(connection)
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name="truth",
        comparisons=[
            compared.NameComparison("given_name"),
            compared.NameComparison("surname"),
            compared.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            compared.ExactMatch("street_number"),
            compared.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
            compared.ExactMatch("state").configure(term_frequency_adjustments=True),
            compared.JaroWinklerAtThresholds("suburb", [0.9, 0.7]),
            compared.JaroWinklerAtThresholds("address_1", [0.9, 0.7]),
            compared.JaroWinklerAtThresholds("address_2", [0.9, 0.7]),
        ],
        blocking_rules_to_generate_predictions=[block_on(*key) for key in KEYS],
    )
    linker = Linker([api.register("left_list"), api.register("right_list")], settings, log_level=None)
    sure = [("date_of_birth", "given_name"), ("date_of_birth", "surname"), ("given_name", "surname", "postcode")]
    linker.training.estimate_probability_two_random_records_match([block_on(*key) for key in sure], recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for key in (("date_of_birth",), ("surname", "postcode")):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*key))
    found = linker.inference.predict(threshold_match_probability=0.5).physical_name
    columns = "truth_l as local, truth_r as integration, match_probability as probability"
    connection.execute(f"copy (select {columns} from {found}) to '{result}' (header)")


if __name__ == "__main__":
    main(*sys.argv[1:])
