# make demo   the main job, end to end on this machine     make test   the tests
# Each does all its set-up. Needs Python 3.11 or newer, make, and a package index.

PYTHON ?= python3
BIN := .venv/bin
export SAM_CLI_TELEMETRY := 0

.PHONY: help demo demo-billing demo-credit demo-renewals test test-slow crash-sweep chaos kills burst
.PHONY: reconcile-memory lint generate clean

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/local ## run lead to order from the real template into a real ERP
	$(BIN)/interlock demo

demo-billing: SEED ?= 1
demo-billing: .venv/local ## run a quarter of a small company into the ERP's books, twice; SEED=7
	$(BIN)/interlock demo-billing --seed $(SEED)

demo-credit: .venv/local ## seven customers' service credits, from a support case to the books
	$(BIN)/interlock demo-credit

demo-renewals: SEED ?= 1
demo-renewals: CONTRACTS ?= 50
demo-renewals: .venv/local ## a year of fifty contracts, and what their revenue comes to; SEED=7 CONTRACTS=10
	$(BIN)/interlock demo-renewals --seed $(SEED) --contracts $(CONTRACTS)

test: .venv/test ## the tests: minutes
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2

test-slow: .venv/test ## the slower ones: each edge of each workflow, campaigns, sam build
	$(BIN)/python -m pytest -m "slow or workflow" --numprocesses 2

crash-sweep: .venv/local ## crash a workflow at every boundary; SWEEP="--help" says more
	$(BIN)/python -m local.faults.crash_sweep $(SWEEP)

chaos: SEEDS ?= 200
chaos: .venv/local ## what fails and what happens drawn from seeds; SEEDS=50, or SEED=137 alone
	$(BIN)/python -m local.faults.chaos $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

kills: ORDERS ?= 100
kills: SEED ?= 1
kills: .venv/local ## kill processes at random under load; ORDERS=100 SEED=1
	$(BIN)/python -m local.faults.kills --orders $(ORDERS) --seed $(SEED)

burst: .venv/local ## 500 orders at once against a vendor's limit: minutes, on a quiet machine
	$(BIN)/python -m local.burst

reconcile-memory: .venv/local ## a thousand to a million invoices reconciled in the same memory: a minute
	$(BIN)/python -m local.reconciliation_memory

lint: .venv/test ## style, and the direction of dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

generate: .venv/local ## write the pictures and the sample events again, after a change
	$(BIN)/python -m local.pictures
	$(BIN)/python -m local.samples

clean: ## forget the environment, what was built, and the ERP's database
	rm -rf .venv .aws-sam .interlock

.venv/python: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Interlock needs Python 3.11 or newer; name one with: make PYTHON=python3.13 ...")'
	@echo "Setting up .venv (once)"
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/local: .venv/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local]'
	@touch $@

.venv/test: .venv/local
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,test]'
	@touch $@
