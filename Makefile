# Each target makes the virtual environment that it needs; nothing is installed outside this folder.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
WORKERS ?= 2
SOAKS := tests/test_soak.py tests/live/test_live_soak.py

.PHONY: demo test e2e lint types bench clean

demo: $(VENV)/.demo  ## Stream an answer from the bundled local model: no key, no network.
	$(BIN)/exllm chat --model local/exllm-tiny "Tell me a short story about a fox."

test: $(VENV)/.dev  ## Everything that needs nothing but Python.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(SOAKS:%=--ignore=%)
	$(BIN)/python -m pytest $(SOAKS)  # they measure memory and time: one after another, and nothing beside them

e2e: $(VENV)/.dev $(VENV)/.demo tests/e2e/node_modules/.package-lock.json  ## What needs llama.cpp, Node.js, Chromium, Redis or the package index.
	$(BIN)/python -m pytest -m "local or node or packaging or browser or redis" --timeout 600

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev  ## All figures of benchmarks/RESULTS.md, peers included: about an hour on a quiet machine.
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) tests/e2e/node_modules build dist

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "exllm needs Python 3.11 or newer; say PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing exllm with llama.cpp; building that takes a few minutes the first time."
	$(BIN)/python -m pip install --quiet --editable ".[local,cli]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	npm --prefix tests/e2e ci --ignore-scripts --no-audit --no-fund
