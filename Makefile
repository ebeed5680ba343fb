# Every target has a one-line help after `##`; `make help` prints them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NAME ?= dev
# The name where somebody said one.
DEMO := $(if $(filter file default,$(origin NAME)),demo,$(NAME))

.DEFAULT_GOAL := help
.PHONY: help setup lint unit commands store conformance api e2e test verify generate lock wheelhouse image cluster-up cluster-down cluster-status dev demo demo-down bench bench-quick fuzz exhaust mutate soak assets corpus clean

help: ## Show what can be done here
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make the virtual environment with locked dependencies

$(VENV)/.ready: requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: setup ## Format check, lint, types, walls, docstrings
	$(BIN)/ruff format --check operator tests examples bench .ci
	$(BIN)/ruff check operator tests examples bench .ci
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -q operator/avouch

unit: setup ## Tests that need nothing: unit, property, architecture
	$(BIN)/python -m pytest tests/unit tests/property tests/architecture

commands: setup ## Tests of commands and of the sidecar as processes
	$(BIN)/python -m pytest tests/commands

store: setup ## Tests against a real PostgreSQL (started from a wheel), in random order
	$(BIN)/python -m pytest tests/store -m postgres --random-order --random-order-bucket=module

conformance: setup ## What holds for every store, registry and integration alike (builds registries from Go modules once)
	$(BIN)/python -m pytest tests/conformance

api: setup ## Tests against a real kube-apiserver (built once, then cached)
	$(BIN)/python -m pytest tests/api -m apiserver

e2e: setup ## Tests on a whole cluster: Tekton, our image, our chart, real TaskRuns
	$(BIN)/python -m pytest tests/e2e -m cluster

test: setup ## Everything CI runs: lint, verify and all levels of tests; says loudly what it skips
	$(BIN)/python .ci/test.py

verify: setup ## Regenerate all that is generated and fail on a difference
	PYTHONPATH=. $(BIN)/python .ci/generate.py --check

generate: setup ## Regenerate CRDs, chart schema, rendered manifests and reference pages
	PYTHONPATH=. $(BIN)/python .ci/generate.py

lock: setup ## Lock dependencies with hashes into files that name no host
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	for set in sidecar: "server:--extra server --extra postgres" "dev:--extra server --extra postgres --group dev"; do \
	  $(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 pyproject.toml $${set#*:} -o requirements/$${set%%:*}.txt || exit 1; \
	done

wheelhouse: build/wheelhouse/.ready build/wheelhouse/.opa ## Collect what the images are built from: wheels, and OPA compiled with Go

# Wheels for the interpreter of the images (CPython 3.11), whatever Python this machine has.
WHEELS := --only-binary=:all: --python-version 3.11 --implementation cp \
  $(foreach p,_2_28 _2_27 _2_24 _2_17 2014 _2_12 _2_5 1,--platform manylinux$(p)_$(shell uname -m))
PIP_WHEEL := pip==25.3

build/wheelhouse/.ready: requirements/server.txt requirements/sidecar.txt $(VENV)/.ready $(shell find operator/avouch -type f -not -name '*.pyc')
	@for image in server sidecar; do \
	  rm -rf build/wheelhouse/$$image && mkdir -p build/wheelhouse/$$image; \
	  $(BIN)/python -m pip download -q --disable-pip-version-check --require-hashes $(WHEELS) \
	    -d build/wheelhouse/$$image -r requirements/$$image.txt || exit 1; \
	  $(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w build/wheelhouse/$$image . || exit 1; \
	  $(BIN)/python -m pip download -q --disable-pip-version-check --no-deps -d build/pip $(PIP_WHEEL) || exit 1; \
	  cp build/pip/pip-*.whl build/wheelhouse/$$image/pip.whl; \
	done
	touch $@

OPA := github.com/open-policy-agent/opa
IN_OPA := cd requirements/opa && CGO_ENABLED=0 GOOS=linux GOWORK=off GOFLAGS='-buildvcs=false -mod=readonly'

# The licence of every module that is linked into it goes with it.
build/wheelhouse/.opa: requirements/opa/go.mod requirements/opa/go.sum
	@command -v go >/dev/null || { echo "OPA, which our image holds, is compiled with Go $$(sed -n 's/^go //p' requirements/opa/go.mod) or newer, and there is none (fix: install it from https://go.dev/dl)" >&2; exit 3; }
	@rm -rf build/wheelhouse/opa && mkdir -p build/wheelhouse/opa
	@$(IN_OPA) go build -trimpath -ldflags '-s -w' -o $(CURDIR)/build/wheelhouse/opa/opa $(OPA)
	@$(IN_OPA) go list -deps -f '{{with .Module}}{{.Path}} {{.Dir}}{{end}}' $(OPA) | sort -u | while read -r module folder; do \
	  into=$(CURDIR)/build/wheelhouse/opa/licenses/$$module && mkdir -p $$into && \
	  find "$$folder" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'notice*' -o -iname 'copying*' \) \
	    -exec install -m 644 {} $$into \; && [ -n "$$(ls $$into)" ] || { echo "$$module tells no licence" >&2; exit 1; }; \
	done
	touch $@

image: wheelhouse ## Build our images from the real Dockerfile into build/images
	$(BIN)/python -m tests.cluster image

cluster-up: setup ## Start a real cluster with Tekton (NAME=dev)
	$(BIN)/python -m tests.cluster up --name $(NAME)

cluster-down: setup ## Stop that cluster and leave nothing
	$(BIN)/python -m tests.cluster down --name $(NAME)

cluster-status: setup ## Show its processes
	$(BIN)/python -m tests.cluster status --name $(NAME)

dev: setup ## Run avouch from this tree on the local cluster, restarted on every change
	PYTHONPATH=. $(BIN)/python .ci/dev.py --name $(NAME)

demo: setup ## The main job on a real cluster: a good run, an incomplete one and a lie (NAME=demo)
	$(BIN)/python -m examples.quickstart.demo up --name $(DEMO)

demo-down: setup ## Remove all that the demo made
	$(BIN)/python -m examples.quickstart.demo down --name $(DEMO)

bench: setup ## Side-by-side measurements; results belong into bench/RESULTS.md
	@for b in crafting reading reader_processes cas_upload sidecar_memory sidecar_job sidecar_session durable_ingest workflows_to_ready admission restart judging policies delivering end_to_end growth idle_memory; do echo "== $$b"; $(BIN)/python -m bench.$$b || exit 1; done

bench-quick: setup ## Show that every measurement works, in short runs that measure nothing
	@for b in admission judging policies delivering durable_ingest sidecar_session restart end_to_end workflows_to_ready growth crafting idle_memory; do echo "== $$b"; $(BIN)/python -m bench.$$b --quick || exit 1; done

FUZZ_SECONDS ?= 60
fuzz: setup ## Dig with atheris in every reader, archives, envelopes and contracts for a while (FUZZ_SECONDS=600)
	PYTHONPATH=operator:. $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

exhaust: setup ## Show content made to exhaust them to the readers, within limits of memory and time
	$(BIN)/python -m pytest tests/exhaustion

soak: setup ## Builds and faults at random on a real cluster for an hour; each verdict must be the right one (MINUTES=60 SEED=1)
	PYTHONPATH=operator:. $(BIN)/python -m tests.soak --minutes $(if $(filter file,$(origin MINUTES)),60,$(MINUTES)) $(if $(SEED),--seed $(SEED))

MINUTES ?= 20
mutate: setup ## Put faults into the rooms that say yes, one at a time, and see whether a test notices (MINUTES=20 ROOMS="oidc store")
	PYTHONPATH=operator:. $(BIN)/python -m tests.mutation --minutes $(MINUTES) $(ROOMS)

assets: setup ## Write tests/assets/materials anew from its table of cases
	PYTHONPATH=operator:. $(BIN)/python -m tests.materials

corpus: setup ## Have real tools write the reports of tests/corpus anew (installs them; needs Go, npm and Maven)
	PYTHONPATH=operator:. $(BIN)/python -m tests.corpus

clean: ## Remove build output and caches of this checkout
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
