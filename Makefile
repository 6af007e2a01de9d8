# Every target does its own set-up in .venv: no system package, no network after the install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test check lint slow bench docs

help:
	@echo 'make demo    set-up, then the whole road on drawn procedures, in demo/'
	@echo 'make test    set-up, then the test suite (no network, no GPU)'
	@echo 'make check   format, lint, types, import contracts, then the tests'
	@echo 'make slow    the slow and the browser tests'
	@echo 'make bench   the quick benchmarks, and what misses its goal'
	@echo 'make docs    docs/cli.md from --help'

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[cpu,dev]' -c constraints.txt
	touch $@

demo: setup
	$(BIN)/endomae demo demo

test: setup
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not browser"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# pytest ends with 5 where no test bears a mark: that is no failure of this target.
slow: setup
	$(BIN)/pytest -m "slow or browser" || test $$? -eq 5

bench: setup
	$(BIN)/python benchmarks/run_quick.py

docs: setup
	$(BIN)/python docs/make_cli.py
