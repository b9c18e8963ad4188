# Needs python3 (3.11 or newer), make and npm; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CLIENTS := .venv/clients/.installed
unexport PYTHONDONTWRITEBYTECODE  # tests start the program hundreds of times

.PHONY: help setup clients browser demo test test-fast test-server compatibility replacement-proof recording client-fields bench lint fix schemas pages locks pictures clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Install qdrantctl and the development tools into .venv

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first that knows --group
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

clients: setup $(CLIENTS)  ## Install real clients of Qdrant, which tests import from, into .venv/clients

$(CLIENTS): tests/e2e/importing/requirements.txt
	$(PYTHON) -m venv --without-pip .venv/clients
	$(BIN)/python -m pip --python .venv/clients install --quiet --no-deps --no-compile --requirement $<
	@touch $@

browser:  ## Install what tests of pages and pipelines need from Debian's packages, as root
	@{ command -v chromium && command -v chromedriver && command -v jq; } >/dev/null \
	  || { apt-get update -qq && apt-get install -qq --yes chromium chromium-driver jq; }

demo: setup  ## Plan, apply and plan again on a real Qdrant on this machine
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

test: clients  ## Run all tests, most of them on real servers
	$(BIN)/python -m pytest -n 4 --dist worksteal  # most of a test is waiting for servers

test-fast: setup  ## Run the tests that need no server, in under a minute
	QDRANTCTL_QDRANT_BIN=/nonexistent $(BIN)/python -m pytest -n 2 -m "not server and not cluster and not slow"

test-server: clients  ## Run the tests that need a server, or a cluster of three
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "server or cluster"

compatibility: clients  ## Run them on the program QDRANTCTL_QDRANT_BIN names; writes docs/reference/compatibility.md
	$(BIN)/python -m tools.compatibility

replacement-proof: setup  ## Prove that replacements lose nothing, an hour; writes docs/reference/replacement-proof.md
	$(BIN)/python -m tools.replacement_proof

recording: setup  ## Record what that program answers; writes tests/recorded
	$(BIN)/python -m tools.record_answers

client-fields: setup  ## Say what the newest qdrant-client has that no rule knows; needs the package index
	QDRANTCTL_NEWEST_CLIENT=1 $(BIN)/python -m pytest tests/conformance/test_newest_client.py

bench: setup  ## Measure speed on real servers, some 15 minutes; writes docs/reference/benchmarks.md
	$(BIN)/python -m benchmarks --write docs/reference/benchmarks.md

lint: setup  ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup  ## Correct what ruff can correct by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: setup  ## Write schemas/ anew from the models
	$(BIN)/qdrantctl schema --out schemas

pages: setup  ## Write the generated pages of docs/reference anew from the program
	$(BIN)/python -m tools.pages

locks: setup  ## Lock what generated pipelines and the image install, in its newest versions, by hash
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m tools.lock_files

pictures: setup  ## Write docs/images/ anew from a real run
	$(BIN)/python -m tools.terminal_picture

clean:  ## Remove what setup and the tools made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
