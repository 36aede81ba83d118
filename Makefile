# Needs Python 3.11 or later and make; everything else comes with `make setup`, which every target that needs it runs.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UV := $(BIN)/uv
PACKAGES := distribution serving worker admin_api migrations deploy examples devservices benchmarks tests
CODE = $(wildcard $(PACKAGES))
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
# pip speaks only of what goes wrong; its advice about newer versions of itself is not for us.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help setup demo run compose-env test test-fast coverage chaos outages bench check lint types imports format lock asyncapi clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked dependencies and the project

$(STAMP): requirements-dev.lock pyproject.toml tools/make-venv
	@tools/make-venv "$(PYTHON)" "$(VENV)"
	@echo "setup: installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## everything up, real contacts through it, a table of what happened
	@exec $(BIN)/python -m examples.demo

run: $(STAMP) ## the same services in the foreground, until Ctrl-C; FRESH=1 begins with empty data
	@exec $(BIN)/python -m examples.run $(if $(FRESH),--fresh)

compose-env: ## a .env with passwords of its own for docker compose; what is set in one that is there stays
	@$(PYTHON) -m deploy.environment

test: $(STAMP) ## all tests; finds or starts a broker and a PostgreSQL by itself
	@exec $(BIN)/python -m pytest

test-fast: $(STAMP) ## the tests that need no service
	@exec $(BIN)/python -m pytest tests/unit tests/property

coverage: $(STAMP) ## all tests, then which lines and branches of the product they do not run
	@mkdir -p .coverage && $(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(TESTS)
	@$(BIN)/coverage combine --quiet
	@exec $(BIN)/coverage report

chaos: $(STAMP) ## the long failure runs (about fifty minutes); SEED=… repeats one
	@exec $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

outages: $(STAMP) ## databases stopped, locked and full for a minute each, connections ended 50 times (about 15 minutes)
	@DATABASE_OUTAGE_SECONDS=60 DATABASE_OUTAGES=50 exec $(BIN)/python -m pytest tests/e2e/test_database_*.py

bench: $(STAMP) ## throughput, latency, growth and memory, beside a ceiling and naive workers (about forty-five minutes)
	@exec $(BIN)/python -m benchmarks

check: lint types imports ## everything that has to hold before a commit: lint, types, imports, all tests
	@exec $(MAKE) --no-print-directory test

lint: $(STAMP) ## style, common mistakes, retired names, paths in documents
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/python tools/check-names

types: $(STAMP) ## static types
	@$(BIN)/mypy

imports: $(STAMP) ## who may import whom
	@$(BIN)/lint-imports

format: $(STAMP) ## put the code into the common form
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

lock: $(STAMP) ## renew both lock files
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --quiet uv
	@$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	@$(LOCK) --upgrade --all-extras --output-file requirements-dev.lock pyproject.toml
	@! grep -nE '://|--(extra-)?index-url|--find-links' requirements.lock requirements-dev.lock
	@$(BIN)/python tools/lock-node

asyncapi: $(STAMP) ## write docs/asyncapi.json anew from the code
	@$(BIN)/python -m admin_api.asyncapi > docs/asyncapi.json.new && mv docs/asyncapi.json.new docs/asyncapi.json

clean: ## remove what was made here, the virtual environment included
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .coverage .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
