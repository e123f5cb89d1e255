# Each target works as the first command typed in a fresh clone; all it needs is Python 3.11 or newer.
SHELL := /bin/bash
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
FLASK := LOG_LEVEL=WARNING $(BIN)/flask

HAS_PYTHON := $(shell test -x $(BIN)/python && echo yes)
# The environment that is there, else the Python that PYTHON=... names, else the first of these that is new enough.
PYTHONS := $(if $(HAS_PYTHON),$(BIN)/python,$(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11))
NO_PYTHON := Python 3.11 or newer is missing: name it with make PYTHON=python3.12 ..., or let uv bring one: uv venv --python 3.12
INSTALL = for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exec "$$python" install.py $(1); done; \
		echo "$(NO_PYTHON)" >&2; exit 1

# An environment that is gone, or whose interpreter is, is made again whatever was installed before.
LOST := $(if $(HAS_PYTHON),,lost)

# The settings read PORT as a host's sign of production; only the web process may see it.
unexport PORT
# Links in e-mails lead to this address, unless a .env file says otherwise.
HERE := $(if $(wildcard .env),,PUBLIC_URL=$${PUBLIC_URL:-http://127.0.0.1:$(PORT)})
LISTENS := (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null

.DEFAULT_GOAL := help
.PHONY: help install run port lost test quick coverage lint check fuzz audit bench peers postman newman clients docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.txt requirements-embedder.txt requirements-uv.txt $(LOST)
	@$(call INSTALL,$(VENV) requirements.txt requirements-embedder.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(call INSTALL,$(VENV) requirements-dev.txt)
	@touch $@

install: $(VENV)/.installed ## Make the virtual environment and install everything

port:
	@if $(LISTENS); then echo "Something listens on port $(PORT) already; choose another: make run PORT=8001" >&2; exit 1; fi

run: port $(VENV)/.installed ## Install, migrate, load the sample documents once, and start web, worker and beat
	@echo "Migrating the database ..."
	@$(FLASK) db upgrade
	@test -e instance/sample-loaded || { echo "Loading the sample documents ..." && \
		$(FLASK) knowledge ingest README.md docs --wait && (umask 077; touch instance/sample-loaded); }
	@echo "Starting web, worker and beat ..."
	@( until $(LISTENS); do kill -0 $$$$ 2>/dev/null || exit; sleep 0.3; done; \
		sed "s/:8000/:$(PORT)/g" docs/first-conversation.txt ) & \
		PATH="$(CURDIR)/$(BIN):$$PATH" BIND_HOST=$${BIND_HOST:-127.0.0.1} $(HERE) $(BIN)/honcho start --port $(PORT) web worker beat

test: $(VENV)/.installed-dev ## Run the whole test suite, real PostgreSQL, Redis and SMTP included
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

quick: lint ## Check style, types and contracts, and run the tests that start no server
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile -m "not server"

coverage: $(VENV)/.installed-dev ## The same, and which lines and branches it has run (half as long again)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=95

lint: $(VENV)/.installed-dev ## Check style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test newman clients ## What CI runs: lint, tests, and with Node.js the collection and the TypeScript client

# FUZZ_SEED=... repeats a run, FUZZ_EXAMPLES=... is how many random requests each operation gets in each phase.
fuzz: $(VENV)/.installed-dev ## Send some 20,000 random requests, others each time, and print the answers by role and status
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} $(BIN)/python -m pytest -n 0 tests/functional/test_fuzz.py -k document_says

# It needs the network. --strict: what could not be looked up counts as a finding, not as clean.
AUDIT := $(BIN)/pip-audit -r requirements.txt -r requirements-embedder.txt -r requirements-multilingual.txt \
	--require-hashes --disable-pip --strict --progress-spinner off
audit: $(VENV)/.installed-dev ## Look up known vulnerabilities of everything that is locked, and write sbom.json (CycloneDX)
	-@$(AUDIT) --format cyclonedx-json --output sbom.json
	$(AUDIT) --aliases on --desc on

bench: $(VENV)/.installed-dev ## Print search, index, overhead, load and ingestion figures, as ratios measured in one run
	$(BIN)/python -m bench

# What is compared with lies in an environment of its own. txtai declares gigabytes that its vectors from elsewhere do
# not need, so it is installed by itself, without them.
PEERS := .venv-peers
$(PEERS)/.installed: bench/peers/requirements.txt bench/peers/requirements-txtai.txt $(VENV)/.installed-dev
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS)
	$(BIN)/uv pip install --python $(PEERS)/bin/python -r bench/peers/requirements.txt
	$(BIN)/uv pip install --python $(PEERS)/bin/python --no-deps -r bench/peers/requirements-txtai.txt
	@touch $@

peers: $(VENV)/.installed-dev $(PEERS)/.installed ## Print this project's figures beside those of its peers, as ratios measured in one run
	$(BIN)/python -m bench.peers

postman: $(VENV)/.installed-dev ## Write the Postman collection from the OpenAPI document
	$(BIN)/python postman/build.py

newman: $(VENV)/.installed-dev ## Run the Postman collection with newman against a fresh server (needs Node.js)
	$(BIN)/python postman/run.py

clients: $(VENV)/.installed-dev ## Generate TypeScript types from the OpenAPI document and compile them (needs Node.js)
	@if ! command -v npx > /dev/null; then \
		echo "NOT RUN: the TypeScript client needs Node.js (npx), which is not installed."; exit 0; fi; \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -e; \
	$(BIN)/python postman/build.py "$$folder/openapi.json"; \
	npx --yes -p openapi-typescript@7 openapi-typescript "$$folder/openapi.json" -o "$$folder/api.d.ts"; \
	npx --yes -p typescript@5 tsc --noEmit --strict "$$folder/api.d.ts"

docs: $(VENV)/.installed-dev ## Write docs/configuration.md, docs/cli.md and .env.example from the code
	$(BIN)/python scripts/build_docs.py

# The pins keep their extras, for pip up to 23.2 does not take the pin of `name` for `name[extra]`. What is locked stays
# as it is unless pyproject.toml asks for another version: `make lock UPGRADE="--upgrade-package flask"`, or `--upgrade`.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header $(UPGRADE)
lock: $(VENV)/.installed-dev ## Resolve pyproject.toml into the requirements files, with hashes
	$(LOCK) --group uv -o requirements-uv.txt
	$(LOCK) --group embedder --no-deps -o requirements-embedder.txt
	$(LOCK) --group multilingual --no-deps -o requirements-multilingual.txt
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -c requirements.txt -c requirements-uv.txt -o requirements-dev.txt
	$(LOCK) --group tracing -c requirements-dev.txt -o requirements-tracing.txt

clean: ## Remove the virtual environments and the caches (not instance/)
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
