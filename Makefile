# `make test` and `make demo` need Python 3.11+ and make, and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Without it each process of the suite, and each one that it starts, compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "django-craftkit needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[api,sandbox,testing]" --group dev
	@touch $@

.PHONY: setup
setup: $(READY)  ## make the environment in .venv

.PHONY: demo
demo: $(READY)  ## show the whole way of a document; ONCE=1 ends when it is there
	@$(BIN)/python example_project/demo.py $(if $(ONCE),--once)

.PHONY: test
test: $(READY)  ## run the suite on embedded defaults
	$(BIN)/python -m pytest -n auto

.PHONY: lint
lint: $(READY)  ## style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYTHONPATH=.:example_project $(BIN)/mypy
	$(BIN)/mypy --config-file tests/typing/mypy.ini
	$(BIN)/pyright -p tests/typing
	$(BIN)/lint-imports

.PHONY: docs
docs: $(READY)  ## build the documentation, warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

.PHONY: road
road: $(READY)  ## follow the installation with a built wheel: by Celery, by Django's tasks, by neither
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python .ci/road.py dist/*.whl

.PHONY: schema
schema: $(READY)  ## renew the OpenAPI document of the HTTP API, docs/openapi.yaml
	PYTHONPATH=example_project $(BIN)/python -m tests.api.schema

.PHONY: bench
bench: $(READY)  ## measure ratios on PostgreSQL (DATABASE_URL), Redis (CELERY_BROKER_URL), MariaDB (MARIADB_URL)
	$(BIN)/python -m pip install --quiet --group services
	$(BIN)/python -m tests.benchmarks

.PHONY: clean
clean:  ## remove the environment and everything built
	rm -rf $(VENV) dist docs/_build example_project/var .mypy_cache .pytest_cache .ruff_cache
