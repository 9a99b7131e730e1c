# The commands of this project; `make` alone lists them.
PYTHON ?= $(shell command -v python3.13 || command -v python3)
UV := .tools/bin/uv
BIN := .venv/bin
T ?=
STORE ?= sqlite
LONG ?=
HOSTILE ?=
ATTACKS ?=
SEED ?= 1
HOURS ?= 1
export UV_PYTHON_DOWNLOADS := never
ifdef FUNCTIONS
export FUNCTIONS
endif
COMPOSE_FILES := compose.yaml$(if $(filter-out sqlite,$(STORE)),:compose.$(STORE).yaml)$(if $(FUNCTIONS),:compose.functions.yaml)
# A COMPOSE_FILE of the shell or of .env counts. Where STORE= or FUNCTIONS= says another thing, `same` stops.
SET_FILES := $(or $(COMPOSE_FILE),$(shell sed -nE "s/^(export )?COMPOSE_FILE=['\"]?([^'\" ]*).*/\2/p" .env 2>/dev/null | tail -n 1))
ifeq ($(SET_FILES)$(filter $(COMPOSE_FILES),compose.yaml),)
export COMPOSE_FILE := $(COMPOSE_FILES)
endif

# What compose files, separated by : or a comma, say: the store; the file for functions of one's own, if any.
comma := ,
files_in = $(notdir $(subst :, ,$(subst $(comma), ,$(1))))
store_in = $(or $(patsubst compose.%.yaml,%,$(filter compose.postgres.yaml compose.ha.yaml,$(files_in))),sqlite)
functions_in = $(filter compose.functions.yaml,$(files_in))
# The files with which a service's container was started. Nothing without one.
files_of = $(shell docker compose ps --all --format '{{.Label "com.docker.compose.project.config_files"}}' $(1))

.DEFAULT_GOAL := help
.PHONY: help sync server run cells same up deploy down clean logs kill revive scale demo load e2e faults chaos kube bench vendored wheel format lint types imports test check

# A line `##@ …` is a heading; the text after `## ` describes its target.
help: ## List the targets
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' || { echo 'make: Python 3.13 with venv is needed; PYTHON=… sets its path' >&2; exit 1; }
	@$(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 && touch $@

.venv/.synced: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --python .tools/bin/python && touch $@

##@ Run it without containers

run: sync ## Start the server, a gateway on port 5001 and three workers; Ctrl-C stops all
	@$(BIN)/python -m tools.run

cells: sync ## Start N cells behind HAProxy on port 5001, each with server, gateway and two workers: make cells N=2
	@$(BIN)/python -m tools.cells run $(or $(N),2)

##@ Containers

# Starts the workers of `make scale` that have ended, and replaces those with an older image.
define UP_SCALED
scaled=$$(docker compose --profile scale ps --all --quiet worker) && set -- $$scaled && { [ $$# -eq 0 ] || \
	docker compose --profile scale up --no-build --no-deps --wait --scale worker=$$# worker; }
endef

# Stops a command that would replace the store by another, or own functions by the examples.
same:
	$(eval ASKED := $(or $(SET_FILES),$(COMPOSE_FILES)))
	$(if $(and $(filter-out file,$(origin STORE)),$(filter-out $(call store_in,$(ASKED)),$(STORE))),\
		$(error COMPOSE_FILE of the shell or .env has the store $(call store_in,$(ASKED)): it and STORE=$(STORE) do not go together))
	$(if $(and $(FUNCTIONS),$(if $(call functions_in,$(ASKED)),,no)),\
		$(error COMPOSE_FILE of the shell or .env lacks compose.functions.yaml: add it for FUNCTIONS=$(FUNCTIONS)))
	$(eval HAS := $(call files_of,resonate))
	$(if $(and $(HAS),$(filter-out $(call store_in,$(ASKED)),$(call store_in,$(HAS)))),\
		$(error The containers have STORE=$(call store_in,$(HAS)), this command has $(call store_in,$(ASKED)): say STORE=$(call store_in,$(HAS)), or `make down` first))
	$(if $(and $(call functions_in,$(call files_of,worker-1)),$(if $(call functions_in,$(ASKED)),,no)),\
		$(error The workers have functions of your own, this command has the examples: say FUNCTIONS=<folder>, or `make down` first))
	@:

# The image of store-init is the one from which Dockerfiles of functions begin.
up: same ## Build and start the containers, and wait until they are healthy; STORE=postgres or ha, FUNCTIONS= a folder
	docker compose build --quiet store-init
	docker compose up --build --wait --detach

# First the new image must load its functions, last the gateway gets to know them. Before that the workers
# of `make scale` are replaced too, as many as there are.
deploy: same ## Replace the workers, the three one by one, with newly built ones, while work goes on
	docker compose build --quiet store-init && docker compose build --quiet worker-1 catalog
	docker compose run --rm --no-deps --no-TTY store-init
	docker compose run --rm --no-deps --no-TTY worker-1 catalog >/dev/null
	for worker in worker-1 worker-2 worker-3; do docker compose up --no-build --no-deps --wait $$worker || exit 1; done
	$(UP_SCALED)
	docker compose up --no-build --no-deps --detach catalog && docker compose wait catalog

down: ## Stop the containers and keep the data
	docker compose --profile '*' down --remove-orphans

clean: same ## Stop the containers and delete the data
	docker compose --profile '*' down --volumes --remove-orphans

logs: ## Follow the logs
	docker compose --profile '*' logs --follow --tail 100

scale: same ## Run N workers beside the three: make scale N=5
	docker compose --profile scale up --build --wait --detach --scale worker=$(N)

##@ Break it and see

demo: sync ## Kill a worker and the gateway, and judge the result; starts the service if needed
	@$(BIN)/python -m tools.demo

kill: sync ## Kill the worker that runs an execution: make kill ID=order-1; without ID it begins a checkout first
	@$(BIN)/python -m tools.kill $(ID)

revive: same ## Start the containers that were killed
	docker compose up --detach --no-build --wait
	$(UP_SCALED)

load: sync ## Send load with hey and oha, and check that every execution ended
	@$(BIN)/python -m tools.load

##@ Develop

sync: .venv/.synced ## Install the locked dependencies

server: sync ## Build the Resonate server as .bin/resonate
	$(BIN)/python -m tools.server build

vendored: sync ## Bring the page's library from npm, as gateway/dashboard/package-lock.json pins it
	@$(BIN)/python -m tools.vendored

wheel: $(UV) ## Build what users of the functions install, as dist/durable_http-….whl
	$(UV) build --wheel --quiet && ls dist/*.whl

format: sync ## Format the code
	$(BIN)/ruff format && $(BIN)/ruff check --fix

bench: .venv/.bench ## Measure the service beside the stock stack; LONG=1: all of it; T= has names and options
	@$(BIN)/python -m bench $(if $(LONG),--long) $(T)

.venv/.bench: .venv/.synced
	@$(UV) sync --quiet --locked --inexact --group bench --python .tools/bin/python && touch $@

##@ Check

check: lint types imports test ## Run lint, types, imports and test, as CI does

lint: sync ## Check formatting and lint rules
	$(BIN)/ruff format --check && $(BIN)/ruff check

types: sync ## Check types, also of the tests
	$(BIN)/mypy

imports: sync ## Check which modules import which
	$(BIN)/lint-imports

test: sync ## Run the tests that need no containers, without the long ones; T= has options for pytest
	$(BIN)/python -m tools.server path && $(BIN)/pytest -n 3 --dist loadfile $(T)

e2e: sync ## Test the containers, in a stack of their own; STORE=postgres or ha
	E2E_STORE=$(STORE) $(BIN)/pytest tests/e2e -m e2e $(T)

faults: sync ## Test every fault, 20 s of random ones and of all attacks; LONG=1: ten minutes, with HOSTILE=1 of attacks; SEED=, ATTACKS= select
	FAULTS_SECONDS=$(if $(LONG),600,20) FAULTS_SEED=$(SEED) FAULTS_HOSTILE=$(HOSTILE) FAULTS_ATTACKS=$(ATTACKS) \
		$(BIN)/pytest tests/faults$(if $(HOSTILE),/test_hostile.py) -m "not e2e" -s $(T)

chaos: sync ## Harm containers of its own for HOURS and judge; STORE=sqlite or ha, SEED=; needs root; history in .data/chaos
	@$(BIN)/python -m tests.support.chaos run --hours $(HOURS) --store $(STORE) --seed $(SEED)

kube: sync ## Apply the manifests to a real API server of Kubernetes, which is built the first time
	$(BIN)/pytest tests/deploy/kubernetes -m long $(T)
