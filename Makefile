# Everything a developer or a build machine runs. `make` alone lists it. Needs Rust; Python 3.10 and Node 20 for the
# packages. Works from a clean clone: what is missing is installed into .venv, node_modules and target/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export BASH_ENV := $(CURDIR)/.ci/steps.sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
export PYTHON
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
# Built by `rust`: running it by `cargo run` would build its dependencies again with fewer features.
XTASK := $(DEBUG)/xtask
PY := .venv/bin/python
PYTHON_PACKAGE := bindings-python/python/multi_upload
# The package as it lies in the work tree, without installing it.
export PYTHONPATH := $(CURDIR)/bindings-python/python

# The summary is that of one run.
ifeq ($(MAKELEVEL),0)
$(shell rm -f $(dir $(DEBUG))steps.tsv)
endif

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: rust native node-build ## Build everything once, for debugging

# The tests switch on features of dependencies, so they are another build. Where both are wanted, building with the
# tests' features from the start makes it one: `make test` does so, and `TARGETS="--lib --bins --tests" make demo` can.
TARGETS ?=
test test-rust: export TARGETS := --lib --bins --tests

.PHONY: rust
rust:
	@step $@ "Rust workspace" cargo build --workspace $(TARGETS) --locked

.PHONY: native
native: rust
	@place multi_upload_native $(PYTHON_PACKAGE)/_native.abi3.so
	@place multi_upload_node bindings-node/multi-upload.node

# --- demo ---------------------------------------------------------------------------------------

.PHONY: demo
demo: native ## Schedule 50 pins on the built-in sandbox, from Python
	@have_python || { echo "The demo needs Python 3.10 or later; PYTHON=... names another one" >&2; exit 1; }
	@step $@ "Python environment" package_in_venv
	step $@ "Demo: 50 pins from Python" $(PY) examples/python/schedule_50_pins.py

.PHONY: demo-node
demo-node: native node-build ## The same from Node
	@have_node || { echo "The demo needs Node 20 or later" >&2; exit 1; }
	@step $@ "Demo: 50 pins from Node" node examples/node/schedule-50-pins.mjs

# --- checks -------------------------------------------------------------------------------------

.PHONY: test
test: lint test-rust test-python test-node test-e2e test-install ## Run every check and test, as the build machine does
	@summary

.PHONY: lint
lint: fmt clippy deny repository ## Formatting, clippy, licences, dependency directions, budgets, generated files

.PHONY: fmt
fmt:
	@step $@ "Rust formatting" cargo fmt --all --check

.PHONY: clippy
clippy:
	@step $@ "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: deny
deny:
	@step $@ "Licences and banned crates" cargo_deny --locked --log-level error check bans licenses sources

.PHONY: repository
repository: rust
	@step $@ "Dependency directions" $(XTASK) deps
	@step $@ "Line budgets" $(XTASK) thin
	@step $@ "Generated files" $(XTASK) gen --check

.PHONY: gen
gen: rust ## Write the generated files: API document, error reference, exception classes
	@step $@ "Generated files" $(XTASK) gen

.PHONY: test-rust
test-rust: rust ## Rust tests
	@have_postgres || debian postgresql || skip "Store on PostgreSQL" "initdb was not found; the tests start a server of their own with it"
	step $@ "Rust tests" cargo test --workspace --locked

PYTHON_CODE := bindings-python tests/python tests/e2e examples/python
NO_PYTHON := Python 3.10 or later was not found; PYTHON=... names another one

.PHONY: test-python
test-python: native ## Python: ruff, mypy, stubtest, pytest
	@if ! have_python && ! debian python3 python3-venv; then
	  skip "Python" "$(NO_PYTHON)"
	else
	  tools $@ tests/python/requirements.txt
	  step $@ "ruff" .venv/bin/ruff check $(PYTHON_CODE)
	  step $@ "ruff format" .venv/bin/ruff format --check $(PYTHON_CODE)
	  step $@ "mypy" .venv/bin/mypy --strict
	  step $@ "stubtest" .venv/bin/stubtest --mypy-config-file pyproject.toml multi_upload._native
	  step $@ "pytest" $(PY) -m pytest tests/python
	fi

.PHONY: test-node
test-node: native node-build ## Node: TypeScript strict, node --test
	@if have_node; then
	  step $@ "Node tests" node --test tests/node/*.test.mjs
	else
	  skip "Node tests" "Node 20 or later with npm was not found"
	fi

.PHONY: node-build
node-build:
	@if have_node; then
	  [[ node_modules/.package-lock.json -nt package-lock.json ]] || step $@ "npm packages" npm ci --ignore-scripts --no-audit --no-fund
	  step $@ "TypeScript" npm run --silent build:ts -w bindings-node
	else
	  skip "Node package" "Node 20 or later with npm was not found"
	fi

.PHONY: test-e2e
test-e2e: native node-build ## The command, the service and the examples, from outside
	@if ! have_python && ! debian python3 python3-venv; then
	  skip "End to end" "$(NO_PYTHON)"
	else
	  tools $@ tests/python/requirements.txt
	  # The examples for the shell call the service with it.
	  command -v curl >/dev/null || debian curl || skip "Examples for the shell" "curl was not found"
	  # These make disks and clocks fail under the real program.
	  command -v strace >/dev/null || debian strace || skip "A disk that fails" "strace was not found"
	  have_faketime || debian faketime || skip "A clock that jumps" "libfaketime was not found"
	  step $@ "End to end" $(PY) -m pytest tests/e2e
	fi

LONG_RUN ?= 3600
.PHONY: long-run
long-run: rust ## Real processes, killed and frozen at random, for an hour; LONG_RUN=seconds
	@tools $@ tests/python/requirements.txt
	MULTI_UPLOAD_LONG_RUN=$(LONG_RUN) $(PY) -m pytest tests/e2e/test_long_run.py -s

.PHONY: test-install
test-install: node-build ## `pip install .` and `npm install`, with a debug build
	@if ! have_python; then
	  skip "pip install" "$(NO_PYTHON)"
	else
	  step $@ "pip install ." pip_install
	fi
	if have_node; then
	  step $@ "npm install" npm_install
	fi

.PHONY: clean
clean: ## Remove what was built or installed
	rm -rf target .venv node_modules bindings-node/node_modules bindings-node/dist dist
	rm -f $(PYTHON_PACKAGE)/_native.* bindings-node/*.node

.ONESHELL:
