"""The way of the data: changes, pair, carry, decide, write, settle."""
