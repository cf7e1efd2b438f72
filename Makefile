# One word each; every target sets up .venv by itself and needs only Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
WORKERS ?= 2

.PHONY: help demo demo-matching test check bench bench-match soak scenarios docs lock clean

help:
	@echo "make demo       two sandbox servers, sample data, a synchronization in both directions"
	@echo "make demo-matching  two systems that know the same companies are brought together, held against the truth"
	@echo "make test       all tests, on SQLite and on a real PostgreSQL"
	@echo "make check      style, types and the layout of imports"
	@echo "make scenarios  which behaviour scenarios are covered"
	@echo "make bench      speed, as ratios to a plain loop beside it"
	@echo "make bench-match  matching a million records, beside a join; scored matching, beside splink"
	@echo "make soak       the long random runs"
	@echo "make docs       the documentation as a site, in build/docs"
	@echo "make lock       requirements.lock made anew"

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/.installed
	$(BIN)/twinrow demo $(ARGS)

demo-matching: .venv/.installed
	$(BIN)/python -m bench.demo_matching $(ARGS)

test: .venv/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not soak" $(ARGS)

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

scenarios: .venv/.installed
	$(BIN)/python -m tests.scenarios.table $(ARGS)

bench: .venv/.installed
	$(BIN)/python -m bench $(ARGS)

bench-match: .venv/.installed
	$(BIN)/python -m bench --part matching --part scored --rows 100000 --rows 1000000 $(ARGS)

soak: .venv/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m soak --timeout 7200 $(ARGS)

docs: .venv/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/docs

lock:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
		--no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build .mypy_cache .ruff_cache
