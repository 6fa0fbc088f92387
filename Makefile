# `make` says what there is. All set-up goes into .venv and .tools of this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The tests start the tap, Meltano and targets hundreds of times, and each start would
# compile all of its modules.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PYTHON := $(BIN)/python
EXTRAS := aws,cbor,fast,jwt,protobuf,socks,zstd
UV := UV_NATIVE_TLS=1 UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(PYTHON)

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.venv/base: pyproject.toml tap_websocket/__init__.py
	@python=""; \
	for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python="$$name"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 or newer was found; install one and try again." >&2; exit 1; \
	fi; \
	test -x $(PYTHON) || "$$python" -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(UV) --editable '.[$(EXTRAS)]'
	@touch $@

.venv/dev: .venv/base
	@$(UV) --group dev
	@touch $@

.PHONY: setup
setup: .venv/dev ## Install everything for development into .venv

.PHONY: demo
demo: .venv/base ## Run trades from a demo feed through Meltano into a file
	@$(PYTHON) -m scripts.tools meltano target-jsonl
	@$(PYTHON) -m scripts.demo

.PHONY: test
test: .venv/dev ## Run the whole test suite
	@$(PYTHON) -m scripts.tools meltano target-jsonl target-csv target-postgres pipelinewise-target-postgres target-duckdb airflow kubernetes-validate matplotlib
	$(PYTHON) -m pytest -n auto $(PYTEST)

.PHONY: check
check: lint ## Check in a minute: lint, and the tests that need no socket
	$(PYTHON) -m pytest -n auto --hypothesis-profile dev tests/unit

.PHONY: lowest
lowest: .venv/dev ## Test with the lowest versions of what the tap needs (a quarter of an hour)
	@mkdir -p .tools
	@UV_NATIVE_TLS=1 $(BIN)/uv pip compile --quiet --resolution lowest-direct \
	  --all-extras --no-header --no-annotate --output-file .tools/lowest.txt pyproject.toml
	@$(BIN)/uv venv --quiet --clear .tools/lowest
	@$(UV:$(PYTHON)=.tools/lowest/bin/python) --constraints .tools/lowest.txt \
	  --editable '.[$(EXTRAS)]' --group test
	timeout 1500 .tools/lowest/bin/python -m pytest -n auto \
	  --hypothesis-profile dev tests/unit tests/integration

.PHONY: bench
bench: .venv/dev ## Measure the tap beside its peers, for the README (half an hour; parts: benchmarks/README.md)
	@$(PYTHON) -m scripts.tools matplotlib
	$(PYTHON) -m benchmarks --write . $(BENCH)

.PHONY: soak
soak: .venv/dev ## Run the tap for minutes against a feed full of faults (SOAK='--minutes 1')
	$(PYTHON) -m tests.soak $(SOAK)

.PHONY: targets
targets: .venv/dev ## Run the tap into each target and write docs/targets.md
	@$(PYTHON) -m scripts.tools target-jsonl target-csv target-postgres pipelinewise-target-postgres target-duckdb
	$(PYTHON) -m scripts.targets

.PHONY: soak-lines
soak-lines: .venv/dev ## Let redundant lines die while others live (SOAK='--minutes 1')
	$(PYTHON) -m tests.soak.lines $(SOAK)

.PHONY: mutants
mutants: .venv/dev ## Take each protection out of the tap and see its test fail
	$(PYTHON) -m scripts.mutants $(MUTANTS)

.PHONY: lint
lint: .venv/dev ## Check style and types, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) -m scripts.generate --check
	$(BIN)/zizmor --offline --quiet .github

.PHONY: generate
generate: .venv/dev ## Write README's settings table, meltano.yml and the Hub definition
	$(PYTHON) -m scripts.generate

.PHONY: build
build: .venv/dev ## Build wheel and sdist into dist/
	rm -rf dist
	$(PYTHON) -m build --installer uv

.PHONY: clean
clean: ## Remove everything that was made here
	rm -rf .venv .tools .demo .meltano dist output
