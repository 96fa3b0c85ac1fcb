# `make search` finds a rule by experiment, proves it on a larger scale and draws both;
# `make test` runs the tests. Both make their own virtual environment first.

PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/quickstart
SEARCH ?= mlp --axis width --optimizer adam --blind --prefer limit
VERIFY ?= --scales 512 --baselines sp,mup

# On Linux the default torch brings gigabytes of CUDA; PyTorch's own index has the CPU build.
# For a GPU: make TORCH_INDEX= ...
TORCH_INDEX ?= --extra-index-url https://download.pytorch.org/whl/cpu

BIN = $(VENV)/bin
# A worker per core, and so a thread per worker: torch's own threads would wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile
PIP = $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: search test install clean

search: $(VENV)/.installed
	$(BIN)/paramsearch search $(SEARCH) --out $(OUT) $(if $(wildcard $(OUT)/trials.db),--resume)
	$(BIN)/paramsearch verify $(OUT) $(VERIFY)

test: $(VENV)/.installed-dev
	$(PYTEST)

install: $(VENV)/.installed

clean:
	rm -rf $(VENV)

# Torch by itself first: were all packages looked for in its index, that would be slow.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps $(TORCH_INDEX) torch
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps mup   # it names torchvision, which it does not need
	touch $@
