# Every target does its own set-up: a virtual environment in .venv with the package, its tools and the embedded model.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL := smollm2-135m-instruct
READY := $(VENV)/.ready
PULLED := $(VENV)/.model

.PHONY: help demo test lint format bench proof docs clean

help: ## the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(PULLED) ## the whole way on a real model: test, canary, promote, roll back, drift
	@$(BIN)/python examples/demo.py

test: $(PULLED) ## the whole test suite
	$(BIN)/pytest -n 2 $(ARGS)

lint: $(READY) ## ruff, strict types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -p no:cacheprovider tests/test_layers.py

format: $(READY) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## speed beside bare loops and what else is installed, a few minutes; ARGS="--quick" for one
	@$(BIN)/python -m benchmarks --json build/benchmarks.json --svg build/benchmarks.svg $(ARGS)

proof: $(READY) ## check by simulation what the statistics promise, half an hour, goes on where it was stopped; ARGS="--quick"
	@$(BIN)/python -m proof --json build/proof.json $(ARGS)

docs: $(READY) ## run every command block of README and docs, and redraw the terminal pictures
	$(BIN)/pytest -q tests/docs
	$(BIN)/python docs/pictures.py

clean: ## forget the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "promptops needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV): a minute or so, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,xdist]' --group dev
	@touch $@

$(PULLED): $(READY)
	@$(BIN)/promptops models pull $(MODEL)
	@touch $@
