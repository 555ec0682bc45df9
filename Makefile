# The words that people and .ci/run use. Each target makes .venv from requirements.lock by itself and reuses it.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-live check format lock bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: .venv/installed ## make .venv from requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the built-in simulated scenario through everything, offline
	$(BIN)/market-stress demo

up: setup ## Dagster UI and daemon on http://127.0.0.1:3000
	$(BIN)/market-stress up

test: setup ## the tests, in about two minutes
	$(BIN)/python -m pytest

test-all: test ## and those that take longer: kills and loops, a seeded sample
	$(BIN)/python -m pytest -m 'thorough and not soak' -n 0

soak: setup ## all of them again and again, by hand before an issue is called done
	$(BIN)/python -m pytest -m thorough -n 0 --rounds 10

test-live: setup ## asks the real exchanges for one small page per dataset (needs the internet)
	$(BIN)/python -m pytest tests/live

check: setup ## ruff, mypy, sqlfluff, dbt parse, definitions load
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project
	cd dbt_project && MARKET_STRESS_HOME=$(CURDIR)/data ../$(BIN)/dbt parse --quiet --profiles-dir .
	$(BIN)/python -c "from orchestration.definitions import defs; defs().resolve_all_job_defs()"

format: setup ## ruff and sqlfluff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix dbt_project

bench: setup ## our ways against others, side by side, as ratios
	$(BIN)/python tests/bench.py

lock: ## requirements.lock anew: universal, with hashes, no index named (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-strip-extras --no-header --quiet -o requirements.lock

clean: ## forget .venv and everything derived; data/ stays
	rm -rf .venv build *.egg-info dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .mypy_cache
