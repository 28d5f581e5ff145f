# One command each; every target does its own set-up and is quick the second time.
#   make demo    the whole method in generated houses with a small model, about seven minutes
#   make test    the test suite (REFERENCE=1: the parity tests too; compiles C++ for minutes)
#   make lint    ruff, pyright, import-linter
#   make bench   every benchmark, refreshing benchmarks/results/ (QUICK=1: small, minutes each)

PYTHON ?= python3
VENV ?= .venv
# On a machine with a GPU: make demo TORCH=torch==2.13.0
TORCH ?= cpu
OUT ?= runs/demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PINS := --constraint constraints.txt
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)

# Two threads on shared cores make small models many times slower than one.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
# DeepSpeed then builds in seconds, without a CUDA toolkit.
export DS_BUILD_OPS ?= 0

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	@$(BIN)/act-train demo --out $(OUT)

test: $(VENV)/.test $(if $(REFERENCE),$(VENV)/.reference)
	@REFERENCE=$(REFERENCE) $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

clean:
	rm -rf $(VENV) build dist

# -- set-up: each stamp is one layer of the environment -----------------------------------------

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ACT needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) install $(PINS) pip
	@touch $@

$(VENV)/.torch: $(VENV)/.venv constraints.txt
	@command -v c++ >/dev/null || { \
	  echo "A C++ compiler is missing (DeepSpeed compiles with it). On Debian and Ubuntu: apt-get install g++" >&2; exit 1; }
	@echo "installing torch $(TORCH_VERSION) ..."
ifeq ($(TORCH),cpu)
	@# Torch comes first and as a CPU build, or the trainers would pull gigabytes of CUDA.
	@$(PIP) install "torch==$(TORCH_VERSION)+cpu" 2>/dev/null \
	  || $(PIP) install --index-url https://download.pytorch.org/whl/cpu "torch==$(TORCH_VERSION)" \
	  || { echo "No CPU build of torch $(TORCH_VERSION) could be had. With a network, try again; for the registry's own build: make $(MAKECMDGOALS) TORCH=torch==$(TORCH_VERSION)" >&2; exit 1; }
else
	@$(PIP) install "$(TORCH)"
endif
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "installing ACT with the extra train ..."
	@$(PIP) install $(PINS) --editable ".[train]"
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "installing the test tools ..."
	@$(PIP) install $(PINS) --editable ".[scienceworld,webshop,browser,analysis,explore,minari,openai,ray]" --group test
	@touch $@

$(VENV)/.reference: $(VENV)/.test
	@echo "installing the original simulators (compiles C++ for minutes) ..."
	@$(PIP) install $(PINS) --editable ".[reference]"
	@touch $@

$(VENV)/.lint: $(VENV)/.demo
	@echo "installing the lint tools ..."
	@$(PIP) install $(PINS) --editable ".[scienceworld,webshop,browser,analysis,explore,minari,openai,ray]" --group lint
	@touch $@

$(VENV)/.bench: $(VENV)/.demo
	@echo "installing what the benchmarks need ..."
	@$(PIP) install $(PINS) --editable ".[bench]"
	@touch $@
