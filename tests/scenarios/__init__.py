"""Behaviour scenarios: what people who know such synchronization expect of it, and the tests that hold it."""
