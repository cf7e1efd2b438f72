"""Matching: which uncoupled records of both sides belong together, by their values.

`criteria` says which fields must agree, `values` reads what both sides say in terms that can be compared, `staged` keeps it in
partitions until both sides are read, `exact` finds the pairs, `pairs` couples them.
"""
