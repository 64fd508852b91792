# `make` alone prints what there is. PYTHON chooses the interpreter of a new .venv: make demo PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
# Tests run in so many processes at once, each with servers of its own.
PROCESSES ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Installed again only when what is to be installed has changed.
SOURCES := pyproject.toml constraints.txt
GENERATORS := tests/generated_clients
READER := tests/credentials_reader
# For all systems and versions of Python, with the hashes of every file, and without the address of an index.
COMPILE = UV_CUSTOM_COMPILE_COMMAND='make requirements' .tools/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-annotate --constraints constraints.txt

.PHONY: help demo test thorough chaos contract generators lint audit requirements bench accuracy clean
.DELETE_ON_ERROR:

help: ## Print this list
	@awk -F ': .*## ' '/^[a-z]+: .*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.demo ## See it work: pictures made, captioned, classified and segmented, into demo/
	@$(BIN)/python -m brushwork demo

test: .venv/.dev ## Run every test: about 15 minutes on two cores
	@$(BIN)/python -m pytest -n $(PROCESSES) --durations 20

thorough: .venv/.dev ## Run every test on both databases, by every client and in full batches, as before a release
	@$(BIN)/python -m pytest -n $(PROCESSES) --durations 20 --thorough

chaos: .venv/.dev ## Break everything, on both databases, and see that nothing is lost: docs/reliability.md
	@$(BIN)/python -m tests.chaos

contract: .venv/.dev ## Hold the gateway to its own OpenAPI, with very many requests
	@$(BIN)/python -m tests.contract

generators: ## Install what tests use of npm: generators of clients, and a reader of Content Credentials
	@$(MAKE) --no-print-directory $(READER)/node_modules/.done
	@$(MAKE) --no-print-directory $(GENERATORS)/node_modules/.done $(GENERATORS)/.venv/.done

lint: .venv/.dev ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .tools/.done ## Look for known vulnerabilities in the packages of a release
	@.tools/bin/python -m tests.audit

requirements: .tools/.done ## Pin the packages of a release with hashes: docs/security.md
	$(COMPILE) pyproject.toml --extra gateway --extra monitor --extra postgres -o requirements/gateway.txt
	$(COMPILE) pyproject.toml --extra workers --extra postgres -o requirements/worker.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) requirements/tools.in -o requirements/tools.txt

bench: .venv/.dev ## Measure against plain Celery and LitServe: docs/benchmarks.md, some 50 minutes
	@$(BIN)/python -m benchmarks

accuracy: .venv/.dev ## Measure how often the pocket models are right
	@$(BIN)/python -m benchmarks.pocket_accuracy
	@$(BIN)/python -m benchmarks.pocket_editing

clean: ## Remove what these commands made
	rm -rf $(GENERATORS)/node_modules $(GENERATORS)/.venv
	rm -rf .venv .tools demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "brushwork needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@touch $@

.venv/.demo: $(SOURCES) | .venv/.python
	@echo "Installing packages, torch among them: minutes, and only this once."
	$(PIP) install -e '.[workers,monitor,gateway]' -c constraints.txt
	@touch $@

.venv/.dev: $(SOURCES) | .venv/.python
	@echo "Installing packages, torch among them: minutes, and only this once."
	$(PIP) install -e '.[dev]' -c constraints.txt
	@touch $@ .venv/.demo

.tools/.done: requirements/tools.txt
	@test -x .tools/bin/python || $(PYTHON) -m venv .tools || { rm -rf .tools; exit 1; }
	.tools/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r requirements/tools.txt
	@touch $@

$(GENERATORS)/node_modules/.done: $(GENERATORS)/package.json $(GENERATORS)/package-lock.json
	npm ci --prefix $(GENERATORS) --silent
	@touch $@

$(READER)/node_modules/.done: $(READER)/package.json $(READER)/package-lock.json
	@# Not `npm ci`: it refuses a lock without the optional packages of all systems, which some registries lack.
	npm install --no-save --prefix $(READER) --silent --ignore-scripts
	@touch $@

$(GENERATORS)/.venv/.done: $(GENERATORS)/requirements.txt
	@$(PYTHON) -m venv $(GENERATORS)/.venv
	$(GENERATORS)/.venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet -r $(GENERATORS)/requirements.txt
	@touch $@
