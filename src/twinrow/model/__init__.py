"""What mappings, fields, filters and outcomes are: immutable values, without I/O, clock or frames."""
