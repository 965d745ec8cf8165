# Each target sets up what it needs. On a fresh machine: `make demo` or `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(firstword $(shell command -v python3.11 python3 2>/dev/null))
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed-from-lock
PARITY_STAMP := .venv-parity/.installed
WORKSPACE ?= workspace
IMAGE ?= mask2former-tfx:0.1.0
TARGET ?= cpu
MINUTES ?= 10
# Locks of the container image: parts of requirements/lock.txt.
LOCK_PART := .venv-lock/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url \
  --no-emit-find-links --python-version 3.11 --python-platform x86_64-manylinux_2_31 \
  --constraint requirements/lock.txt --custom-compile-command 'make lock'
# A worker that died is not replaced: see tests/support/suite_guard.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

.PHONY: help setup demo test test-all lint format lock parity benchmark benchmark-data benchmark-training convergence fuzz \
	image image-check test-kubeflow clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv from the lock file (repeated only when the lock changes)

$(STAMP): requirements/lock.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 is needed, and '$(PYTHON)' is not it. Install python3.11 or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Setting up .venv (a few minutes the first time)"
	@rm -rf .venv
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --require-hashes --compile-bytecode -r requirements/lock.txt
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## Train, bless and push a model on generated data (about 8 minutes on 2 cores)
	@$(BIN)/m2f demo --workspace $(WORKSPACE)

test: setup ## The test suite (about 20 minutes on 2 cores)
	@$(PYTEST)
	@$(BIN)/python tests/support/other_kernels.py $(PYTEST) -m 'onednn and not slow'

test-all: setup ## The suite and the slow tests
	@$(PYTEST) -m 'slow or not slow' --suite-minutes 180

test-kubeflow: setup ## The compiled pipeline through KFP's local runner (18 minutes; MariaDB, PostgreSQL)
	@$(PYTEST) tests/kubeflow_e2e --suite-minutes 150 -o faulthandler_timeout=3660

lint: setup ## Check format, style, who imports whom, and types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@# Told to, pyright does not ask PyPI whether there is a newer one.
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

format: setup ## Rewrite files to the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: ## Renew the locks in requirements/ from the .in files
	@"$(PYTHON)" -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@.venv-lock/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_31 \
	  --override requirements/overrides.txt --custom-compile-command 'make lock' \
	  -o requirements/lock.txt requirements/runtime.in requirements/kubeflow.in requirements/dev.in
	@$(LOCK_PART) --override requirements/overrides.txt \
	  -o requirements/image.txt requirements/runtime.in requirements/kubeflow.in
	@$(LOCK_PART) -o requirements/gpu.txt requirements/gpu.in
	@rm -rf .venv-lock

$(PARITY_STAMP): requirements/parity.txt
	@rm -rf .venv-parity && "$(PYTHON)" -m venv .venv-parity
	@.venv-parity/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/parity.txt
	@touch $@

parity: setup $(PARITY_STAMP) ## Compare with PyTorch at full size (10 minutes or so, 8 GB)
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tools/parity.py

benchmark: setup $(PARITY_STAMP) ## Time the model beside its peer, write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.model --peer-python .venv-parity/bin/python

benchmark-data: setup ## Time ingestion of DATA=folder and of generated data, write benchmarks/DATA.md
	@test -n "$(DATA)" || { echo "error: name a COCO folder: make benchmark-data DATA=path" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.data --data "$(DATA)"

benchmark-training: setup ## Time the training loop beside its compiled step, write benchmarks/TRAINING.md
	@$(BIN)/python -m benchmarks.training

fuzz: setup ## Look for broken data that ingestion does not stand (MINUTES=10)
	@$(BIN)/python tests/fuzz/fuzz.py --minutes $(MINUTES) --seed $$RANDOM

convergence: setup $(PARITY_STAMP) ## Train both on one stream, write benchmarks/CONVERGENCE.md
	@$(BIN)/python -m benchmarks.convergence --peer-python .venv-parity/bin/python

image: ## Build the container image (IMAGE=name:tag TARGET=cpu|gpu)
	@docker/build.sh $(TARGET) $(IMAGE)

image-check: ## Build the image without a registry and run the quick demo in it (root, 20 minutes)
	@docker/check_image.sh

clean: ## Remove .venv and caches (never a workspace)
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
