# Every target can be called at any time: what it needs is set up first, and only when something changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Debian packages that tests need: openssl makes their certificates.
DEBIAN_TEST_PACKAGES := openssl

# What `make run` passes on: make run BACKEND=wss://backend.example/ocpp LISTEN=127.0.0.1:9000
CONFIG ?=
BACKEND ?=
LISTEN ?=
ADMIN ?=
DATA ?=
OPTIONS = $(if $(LISTEN),--listen '$(LISTEN)') $(if $(ADMIN),--admin '$(ADMIN)') $(if $(DATA),--data '$(DATA)')

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make run BACKEND=wss://backend.example/ocpp [LISTEN=HOST:PORT] [ADMIN=HOST:PORT] [DATA=DIR]"
	@echo "  make run CONFIG=gateway.toml"

.PHONY: setup
setup: $(VENV)/.runtime ## make .venv with everything the gateway needs

.PHONY: run
run: $(VENV)/.runtime ## start the gateway: with BACKEND or CONFIG, else a demonstration
ifneq ($(strip $(BACKEND)$(CONFIG)),)
	@exec $(BIN)/ocpp-gateway run $(if $(CONFIG),'$(CONFIG)') $(if $(BACKEND),--backend '$(BACKEND)') $(OPTIONS)
else
	@echo "no BACKEND= or CONFIG=: this is a demonstration with its own backend and chargers"
	@exec $(BIN)/ocpp-gateway demo $(OPTIONS)
endif

.PHONY: test
test: lint debian-packages ## check style and types, and run every test
	@echo "tests (pytest, two processes)"
	@$(BIN)/python -m pytest -n 2

.PHONY: lint
lint: $(VENV)/.test ## check style and types
	@echo "style (ruff)"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "some files are not formatted; run: make format" >&2; exit 1; }
	@echo "types (mypy)"
	@$(BIN)/mypy --no-error-summary

.PHONY: format
format: $(VENV)/.test ## put every file into the project's format
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

.PHONY: docs
docs: $(VENV)/.runtime ## write the reference pages that come from code
	@for page in config:configuration observe.metrics:metrics ocpp.flags:flags \
	  translate.reference:translation; do \
	  $(BIN)/python -m "gateway.$${page%:*}" > "docs/$${page#*:}.md.new"; \
	  mv "docs/$${page#*:}.md.new" "docs/$${page#*:}.md"; \
	done

.PHONY: bench
bench: $(VENV)/.test ## measure, and compare with the budgets
	@$(BIN)/python -m benchmarks

FUZZ ?= 10
.PHONY: fuzz
fuzz: $(VENV)/.test ## feed the readers a million damaged frames, or FUZZ=N times 100,000
	@for part in $$(seq $(FUZZ)); do \
	  echo "part $$part of $(FUZZ)"; \
	  $(BIN)/python -m tests.dialect.fuzz --inputs 100000; \
	done

SEEDS ?= 20000
SEED ?= 0
.PHONY: simulate
simulate: $(VENV)/.test ## live through SEEDS outages by chance, beginning with SEED
	@$(BIN)/python -m tests.simulation $(SEED) --seeds $(SEEDS)

TORTURE ?=
.PHONY: torture
torture: $(VENV)/.test ## kill the gateway at every failpoint, hundreds of times; TORTURE='--points NAME --seeds 5'
	@$(BIN)/python -m tests.torture $(TORTURE)

.PHONY: clean
clean: ## remove what was made here, except data
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: debian-packages
debian-packages:
	@missing=""; \
	for package in $(DEBIAN_TEST_PACKAGES); do \
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "the tests need packages that are not installed; run: sudo apt-get install$$missing" >&2; exit 1; \
	fi; \
	echo "installing$$missing (apt-get)"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# The first Python that is new enough and can make an environment. The distribution's own comes first, since it
# is built with all optimisations; Debian packs venv separately, so it is installed when that is all that lacks.
PYTHONS = $(or $(PYTHON),/usr/bin/python3 python3.13 python3.12 python3.11 python3)

$(BIN)/python:
	@make_venv() { \
	  for candidate in $(PYTHONS); do \
	    if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "making $(VENV) with $$candidate"; "$$candidate" -m venv $(VENV); return; \
	    fi; \
	  done; \
	  return 1; \
	}; \
	if make_venv; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing python3-venv (apt-get)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
	  if make_venv; then exit 0; fi; \
	fi; \
	echo "no Python 3.11 or newer that can make an environment was found;" \
	  "on Debian or Ubuntu: sudo apt-get install python3 python3-venv; or name one: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	@echo "installing what the gateway needs into $(VENV) (half a minute)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "installing what the gateway and its tests need into $(VENV) (a minute)"
	@$(PIP) install --editable '.[test]'
	@touch $(VENV)/.runtime $@
