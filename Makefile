# make demo         everything: install, start, load samples, ask a question, stay up
# make demo ONCE=1  the same, then end
# make serve        an empty installation; its first page creates the administrator
# make test         all tests; make lint, make types
# make pictures     the README's picture, anew from the browser tests
#
# PYTHON=/path/to/python3.11   another Python     PORT=8001   another port
# TORCH_INDEX=URL              an index with CPU builds of PyTorch (elsewhere pip may choose a
#                              build for graphics cards, which is several gigabytes)

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo serve test lint types pictures fmt constraints clean

PYTHON ?= $(shell for name in python3.11 python3.12 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
	&& echo $$name && break; done)
PORT ?= 8000
HOST ?= 127.0.0.1
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
TORCH_ARGS := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
BEGAN := $(shell date +%s)
CHROMIUM := $(or $(PLAYWRIGHT_CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))
# Test processes side by side.
WORKERS ?= 2

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Ragsite needs CPython 3.11 or 3.12, and none was found; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11."; \
	  exit 1; fi
	@$(PYTHON) ragsite/embedded/preflight.py $(CURDIR) 4
	@echo "Creating $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV)

# torch alone and first: what depends on it then finds it there, whatever index it came from.
$(RUNTIME): requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing what runs Ragsite; this takes a few minutes the first time."
	@$(PIP) $(TORCH_ARGS) torch
	@$(PIP) --requirement requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing what tests Ragsite."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

demo: $(RUNTIME)
	@exec $(BIN)/python -m ragsite.embedded demo --host $(HOST) --port $(PORT) --began-at $(BEGAN) $(if $(ONCE),--once)

serve: $(RUNTIME)
	@exec $(BIN)/python -m ragsite.embedded serve --host $(HOST) --port $(PORT) --began-at $(BEGAN) $(if $(ONCE),--once)

test: $(DEV)
	@$(BIN)/python -m ragsite.catalogue compile
ifeq ($(CHROMIUM),)
	@echo "No Chromium was found, so the browser tests are left out; install chromium or set PLAYWRIGHT_CHROMIUM."
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not e2e" $(ARGS)
else
	PLAYWRIGHT_CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)
endif

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m ragsite.catalogue check

types: $(DEV)
	$(BIN)/mypy .

pictures: $(DEV)
	PLAYWRIGHT_CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest tests/e2e -k rankings_switch
	@mkdir -p docs/images && cp var/pictures/rankings.png docs/images/

fmt: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(DEV)
	@(head -1 constraints.txt; $(BIN)/python -m pip freeze --exclude pip --exclude setuptools | sed 's/^torch==\([^+]*\).*/torch==\1/') > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) var staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
