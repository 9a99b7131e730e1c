# Every target is one line that a person can read; `make` alone lists them.
PYTHON ?= $(shell command -v python3.13 || command -v python3)
UV := .tools/bin/uv
BIN := .venv/bin
T ?=
STORE ?= sqlite
LONG ?=
SEED ?= 1
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help sync server run up down clean logs kill revive scale demo load e2e faults bench format lint types imports test check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' || { echo 'make: Python 3.13 with venv is needed, and PYTHON=… names it' >&2; exit 1; }
	@$(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 && touch $@

.venv/.synced: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --python .tools/bin/python && touch $@

sync: .venv/.synced ## Install the locked dependencies

server: sync ## Build the Resonate server as .bin/resonate
	$(BIN)/python -m tools.server build

run: sync ## Run everything without containers: server, gateway on 5001, three workers
	@$(BIN)/python -m tools.run

up: ## Start the containers and wait until they are healthy
	docker compose up --build --wait --detach

down: ## Stop the containers; the data stay
	docker compose --profile scale down

clean: ## Stop the containers and drop their data
	docker compose --profile scale down --volumes

logs: ## Follow the containers' logs
	docker compose --profile scale logs --follow --tail 100

kill: sync ## Kill the worker that holds a running job; ID= names the job
	@$(BIN)/python -m tools.kill $(ID)

revive: ## Bring back containers that were killed
	docker compose up --detach --no-build --wait

scale: ## Add N workers to the three: make scale N=8
	docker compose --profile scale up --build --wait --detach --scale worker=$(N)

demo: sync ## The crash-and-resume story, with a verdict and an exit code
	@$(BIN)/python -m tools.demo

load: sync ## Load it with hey and oha, then see that every accepted job ended
	@$(BIN)/python -m tools.load

e2e: sync ## Tests of the containers, beside whatever else runs here; STORE=postgres or sqlite
	E2E_STORE=$(STORE) $(BIN)/pytest tests/e2e -m e2e $(T)

faults: sync ## Every fault there is; LONG=1 adds ten minutes of random ones, SEED= says which
	FAULTS_SECONDS=$(if $(LONG),600,20) FAULTS_SEED=$(SEED) $(BIN)/pytest tests/faults -m "not e2e" -s $(T)

bench: sync ## Measure how many clients can wait, what endures and how short a lease may be
	@for bench in waiters endurance lease; do echo "$$bench"; $(BIN)/python -m bench.$$bench || exit 1; done

format: sync ## Format the code
	$(BIN)/ruff format && $(BIN)/ruff check --fix

lint: sync ## Formatting and lint rules
	$(BIN)/ruff format --check && $(BIN)/ruff check

types: sync ## mypy, strict, tests included
	$(BIN)/mypy

imports: sync ## Who may import whom
	$(BIN)/lint-imports

test: sync ## Everything that needs no containers, the real server included; T= narrows it
	$(BIN)/python -m tools.server path && $(BIN)/pytest $(T)

check: lint types imports test ## What CI runs
