# The two commands that matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTEST_ARGS ?=
SOAK_S ?= 3600
SOAK_DIR ?= build/soak
SEED ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help demo test check unit live soak bench bench-incidents scenarios rules dashboards clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

demo: $(VENV)/.demo ## run netmon on a simulated province; ARGS="--duration 60" ends by itself
	@$(BIN)/netmon demo $(ARGS)

test: $(VENV)/.test ## check the code and run all tests; with root it installs the real servers first
	@sh tools/servers.sh
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest $(PYTEST_ARGS)

check: $(VENV)/.test ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.test ## only the tests that need no server
	$(BIN)/pytest -m "not live and not e2e" $(PYTEST_ARGS)

live: $(VENV)/.test ## only the tests against real servers and a real browser
	$(BIN)/pytest -m "live or e2e" $(PYTEST_ARGS)

soak: $(VENV)/.test ## new counterexamples, the database away for a minute, then fuzz what reads SNMP for SOAK_S seconds (an hour)
	HYPOTHESIS_PROFILE=soak $(BIN)/pytest -q tests/property
	$(BIN)/python -m bench.detection --seeds 10 --first $(SEED)
	$(BIN)/python -m bench.scenarios --seeds 5 --first $(SEED) --notes
	$(BIN)/python -m tests.live.soak_detection --loss 0.15 --bursts 1 --minutes 30 --faults 8
	$(BIN)/python -m tests.live.soak_detection --loss 0.05 --bursts 0.3 --minutes 10 --faults 3
	NO_LOSS_OUTAGE_S=60 $(BIN)/pytest -q tests/live/test_no_loss.py
	$(BIN)/python -m tests.fuzz.fuzz_snmp $(SOAK_DIR)/corpus -max_total_time=$(SOAK_S) -timeout=5 -max_len=1500 -artifact_prefix=$(SOAK_DIR)/

bench: $(VENV)/.test ## measure (20 minutes), write bench/results and docs; ARGS="snmp --only cpu" for a part
	@sh tools/servers.sh
	@$(BIN)/python -m bench $(ARGS)

bench-incidents: $(VENV)/.test ## from fault to message beside Prometheus and Alertmanager (40 minutes); ARGS="--quick" takes 6
	@sh tools/servers.sh
	@$(BIN)/python -m bench incidents $(ARGS)

scenarios: $(VENV)/.test ## 1500 faults in virtual time: how soon known, the matrix of causes; bench/results/causes.json
	@$(BIN)/python -m bench causes $(ARGS)

rules: $(VENV)/.test ## write the Prometheus rules from the catalogue
	$(BIN)/netmon rules export

dashboards: $(VENV)/.test ## write the Grafana dashboards from grafana/build.py
	$(BIN)/python grafana/build.py

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@echo "netmon: making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit("netmon needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "netmon: installing what the demo needs (about a minute)"
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -e '.[demo]' | sed -n 's/^Collecting \([^ ]*\).*/  \1/p'
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "netmon: installing what the tests need (about two minutes)"
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -e '.[demo,test]' | sed -n 's/^Collecting \([^ ]*\).*/  \1/p'
	@touch $@ $(VENV)/.demo
