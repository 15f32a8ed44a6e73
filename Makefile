# Everything a developer or an operator types. `make help` prints this list from the ## comments.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
# Processes that share the tests; each starts its own Kafka and MongoDB.
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help env up up-roles down demo test test-fast test-roles test-cluster drills check lint types imports contracts bench bench-scale chaos chaos-long image image-check lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY) ## Make the environment (.venv) from the hash-locked requirements

$(READY): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Placet needs Python 3.11: '$(PYTHON)' was not found; install it or say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Placet needs Python 3.11; '$(PYTHON)' is another version. Say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the environment in $(VENV) (about a minute, once) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

up: $(READY) ## Start the whole house and print its addresses
	@$(BIN)/placet up

up-roles: $(READY) ## The same with every role of a service as a process of its own: fifteen, each under its own users
	@$(BIN)/placet up --roles

down: $(READY) ## Stop it
	@$(BIN)/placet down

demo: $(READY) ## The main job, from import to acknowledged delivery, with a live account of it
	@$(BIN)/placet demo

test: $(READY) ## Every test, on a real Kafka and a real MongoDB; and the coverage of each room
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope --no-loadscope-reorder --cov --cov-branch --cov-report=json:.local/coverage.json --cov-report=
	@$(BIN)/python -m tests.coverage_gate .local/coverage.json

test-fast: $(READY) ## Only the tests that need no sockets
	@$(BIN)/python -m pytest -q -m "not connected and not cluster and not drill"

drills: $(READY) ## Day two: restore from a backup, all topics lost, keys and passwords rotated, an upgrade under traffic
	@$(BIN)/python -m pytest -q -m drill --durations=5 tests/drills

test-roles: $(READY) ## The journeys in a house of fifteen processes, one for each role of a service
	@PLACET_ROLES=split $(BIN)/python -m pytest -q tests/journeys

test-cluster: $(READY) ## The chart on the cluster that KUBECONFIG names; CRDS names a folder with custom resources' definitions
	@test -n "$(KUBECONFIG)" || { echo "test-cluster installs the chart on a cluster and removes it again: say which, KUBECONFIG=/path/to/kubeconfig CRDS=/path/to/definitions make test-cluster"; exit 1; }
	@$(BIN)/python -m pytest -q -rs -m cluster tests/deploy/cluster

check: $(READY) lint types imports contracts ## What CI asks before the tests

lint: $(READY) ## Style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## Types, strictly
	@$(BIN)/mypy contracts services deploy tests

imports: $(READY) ## Which room may know which
	@$(BIN)/lint-imports --no-cache

contracts: $(READY) ## Schemas, catalogue, documents, manifests and alerts fresh; no breaking change
	@$(BIN)/python -m contracts.generate --check
	@$(BIN)/python -m deploy.cli.documents --check
	@$(BIN)/python -m deploy.cli.metrics --check
	@$(BIN)/python -m deploy.helm.generate --check
	@$(BIN)/python -m deploy.observe --check

bench: $(READY) ## Placet beside the bare pipeline, on the same broker and database
	@$(BIN)/python -m tests.bench

bench-scale: $(READY) ## A million stored requests, and what the house does then (a quarter of an hour, 10 GB of disk)
	@$(BIN)/python -m tests.bench --requests 1_000_000

chaos: $(READY) ## 1 000 requests through three brokers and databases while 20 faults strike; the history is judged
	@$(BIN)/python -m tests.chaos

chaos-long: $(READY) ## The same with 10 000 requests and 200 faults
	@$(BIN)/python -m tests.chaos --long

# make image BUILD_BASE=…@sha256:… RUN_BASE=…@sha256:… SOURCE=https://…; without bases they are made out of Debian packages.
IMAGE_WORDS = $(if $(BUILD_BASE),--build-base $(BUILD_BASE)) $(if $(RUN_BASE),--run-base $(RUN_BASE)) $(if $(SOURCE),--source $(SOURCE))

image: $(READY) ## The image, without an engine (mmdebstrap, buildah; as root); prints its digest
	@$(BIN)/python -m deploy.image build $(IMAGE_WORDS)

image-check: $(READY) ## Build it twice, compare, and run every service and role in it (and umoci, runc)
	@$(BIN)/python -m deploy.image check $(IMAGE_WORDS)

lock: ## Choose versions anew and write both lock files
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile -q pyproject.toml --upgrade --generate-hashes --no-header --python-version 3.11 -o requirements.lock
	@$(BIN)/uv pip compile -q pyproject.toml --upgrade --extra local --extra dev --generate-hashes --no-header --python-version 3.11 -c requirements.lock -o requirements-dev.lock

clean: ## Remove the environment and what runs have left
	@rm -rf $(VENV) .local build *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage
