# The commands to know: `make demo`, `make check`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The demo needs less than development; where everything is installed already, it takes that.
DEMO_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-for-demo)
VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
IMAGE ?= canary-operator:$(VERSION)
SOURCE ?=
ENGINE = $(shell for engine in docker podman; do $$engine info >/dev/null 2>&1 && echo $$engine && break; done)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.DEFAULT_GOAL := help
.PHONY: help demo playground pictures test check unit lint format generate lock prometheus clean bench-queries bench-decisions bench-startup bench-failover bench-scrape bench bench-endurance

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml .ci/requirements.txt
$(VENV)/.installed-for-demo: pyproject.toml .ci/playground.txt
$(STAMP) $(VENV)/.installed-for-demo:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing; install it: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(filter %.txt,$^)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

prometheus:
	@command -v prometheus >/dev/null || { \
	  echo "Installing Prometheus (once) …"; \
	  command -v apt-get >/dev/null && \
	  { $(SUDO) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends prometheus; } \
	    >/dev/null 2>&1; \
	  command -v prometheus >/dev/null || \
	  { echo "Prometheus is missing: put the binary 'prometheus' on PATH (Debian, Ubuntu: apt-get install prometheus)" >&2; exit 1; }; }

demo: $(DEMO_STAMP) prometheus  ## A whole rollout on this machine: real Envoy, real Prometheus, no cluster
	@$(BIN)/python -m canary_operator.playground.demo

playground: $(DEMO_STAMP) prometheus  ## A local cluster for kubectl and the examples, until Ctrl-C; OPTIONS=--no-istio
	@$(BIN)/python -m canary_operator.playground $(OPTIONS)

pictures: $(STAMP) prometheus  ## Draw the tutorial's pictures from real runs of its examples, some ten minutes
	@$(BIN)/python -m benchmarks.tutorial_pictures

test: $(STAMP) prometheus  ## Every test, with real Envoy and Prometheus
	@$(BIN)/python -m pytest -n 4 --dist loadgroup

check: $(STAMP) lint unit  ## Format, lint, types, import contracts, unit tests, generated files

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m canary_operator.crd --check
	$(BIN)/python -m deploy.generate --check
	$(BIN)/python -m canary_operator.domain.diagram --check docs/architecture.md

unit: $(STAMP)
	$(BIN)/python -m pytest -q canary_operator/domain canary_operator/plugin tests/domain tests/engine tests/crd tests/cli tests/plugin/offline tests/plugin/screens tests/plugin/test_sight.py tests/plugin/test_main.py tests/docs deploy tests/chart/test_lint.py tests/chart/test_values.py tests/chart/test_settings.py

generate: $(STAMP)  ## Write the generated files: the CRD, the manifests, the chart's tables, the state diagram
	$(BIN)/python -m canary_operator.crd > crds/canaryrollouts.yaml
	$(BIN)/python -m deploy.generate
	$(BIN)/python -m tests.gitops.customizations
	$(BIN)/python -m canary_operator.domain.diagram docs/architecture.md

format: $(STAMP)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
TESTED := --constraint .ci/requirements.txt

lock: $(STAMP)  ## Take the newest versions of the dependencies
	$(BIN)/pip install --quiet uv
	$(LOCK) --upgrade --extra playground --extra dev pyproject.toml -o .ci/requirements.txt
	$(MAKE) locks

.PHONY: locks image sbom
locks:  # the smaller locks, with the versions of .ci/requirements.txt
	$(LOCK) $(TESTED) --extra playground pyproject.toml -o .ci/playground.txt
	$(LOCK) $(TESTED) pyproject.toml -o deploy/image/requirements.txt
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(LOCK) - -o deploy/image/build.txt
	echo cyclonedx-bom | $(LOCK) $(TESTED) - -o deploy/image/sbom.txt

image:  ## Build the image with docker or podman; IMAGE and SOURCE may be set
	@test -n "$(ENGINE)" || \
	  { echo "No container engine answers: start docker or podman. Without one, tests/image carries the steps out." >&2; exit 1; }
	$(ENGINE) build --tag $(IMAGE) \
	  --build-arg VERSION=$(VERSION) --build-arg SOURCE=$(SOURCE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .
	$(ENGINE) run --rm --read-only --cap-drop ALL --network none $(IMAGE) --version

sbom:  ## List what the image contains: dist/sbom.cdx.json (CycloneDX)
	@PYTHON=$(PYTHON) deploy/image/sbom.sh dist/sbom.cdx.json
	@echo "Written: dist/sbom.cdx.json"

bench: $(STAMP) prometheus  ## Measure what 1 to 2,000 rollouts cost; goes on where it was interrupted
	@$(BIN)/python -m benchmarks.scale --picture docs/images/scale.png --page docs/performance.md

bench-endurance: $(STAMP)  ## Release thousands of times and look for what grows
	@$(BIN)/python -m benchmarks.endurance

bench-queries: $(STAMP) prometheus  ## Count the queries that 1 to 200 rollouts share, with real Prometheus
	@$(BIN)/python -m benchmarks.shared_queries

bench-decisions: $(STAMP)  ## Simulate how often verdicts are right, ours and those of peers' rules
	@$(BIN)/python -m benchmarks.decision_quality --picture docs/images/decision_quality.png

bench-startup: $(STAMP)  ## Measure how long kubectl canary takes to start
	@$(BIN)/python -m benchmarks.startup

bench-failover: $(STAMP)  ## Measure how long nobody acts when the leading operator ends
	@$(BIN)/python -m benchmarks.failover

clean:  ## Remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out

bench-scrape: $(STAMP)  ## Measure a scrape of the operator's metrics with 2,000 rollouts
	@$(BIN)/python -m benchmarks.scrape

.PHONY: test-histories
test-histories: $(STAMP)  ## 10,000 generated histories against the invariants, and as many with kills
	HISTORIES=nightly $(BIN)/python -m pytest -n 0 --timeout 7200 -m "exhaustive or not exhaustive" tests/histories

.PHONY: test-fuzz
test-fuzz: $(STAMP) prometheus  ## Bad input, 10,000 examples a test; on a real API server, too, with KUBEBUILDER_ASSETS
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-10000} $(BIN)/python -m pytest -n 0 --timeout 7200 -m "exhaustive or not exhaustive" tests/fuzz

.PHONY: test-exhaustive
test-exhaustive: $(STAMP) prometheus  ## What takes minutes and has no target of its own: fidelity of the simulation, leaks, images
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m exhaustive --ignore tests/faults --ignore tests/fuzz --ignore tests/histories

.PHONY: test-faults
test-faults: $(STAMP) prometheus  ## Faults of all kinds, and kills at every write; on a real API server, too, with KUBEBUILDER_ASSETS
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "exhaustive or not exhaustive" tests/faults
