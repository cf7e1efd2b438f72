"""Matching: which uncoupled records of both sides belong together, by their values.

`criteria` says which fields must agree, `values` reads what both sides say in terms that can be compared, `staged` keeps it in
partitions until both sides are read, `exact` finds the pairs, `job` couples them.

`scored` is for what `exact` leaves over, which is alike and not equal: `kinds` says which fields are compared and as what,
`normal_forms` what does not count, `stock` keeps both sides, `blocks` finds pairs that are worth a look, `measures` and
`patterns` compare them, `weights` learns what agreement is worth, `scoring` says how probably a pair is the same.
"""
