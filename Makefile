# `make help` lists the commands. Needs only Python 3.11-3.13 and make; everything is installed into .venv.
# Overrides: make PYTHON=/path/to/python3.12, ARGS="-k robertson" (passed on), WORKERS=4 (pytest processes).

VENV    ?= .venv
OLDEST  ?= .venv-oldest
WORKERS ?= 2
ARGS    ?=
PYTHON  ?=

PY  := $(VENV)/bin/python
PIP := -m pip install --quiet --disable-pip-version-check

# One compilation cache for all pytest workers and runs. A size limit is what makes JAX lock it: without one, a worker can
# read an entry that another is still writing.
CACHE := JAX_COMPILATION_CACHE_DIR="$(CURDIR)/.jax_cache" JAX_COMPILATION_CACHE_MAX_SIZE=1073741824

.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help quickstart test test-full lint format types layers examples bench bench-bsde oldest hooks clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 14

# --- environments: a stamp file per extra, so that a second call installs nothing unless pyproject.toml changed ---

$(VENV)/.made:
	@python='$(PYTHON)'; [ -n "$$python" ] || python=$$(sh tools/find_python.sh) || exit 1; \
	echo "Making $(VENV) with $$python"; \
	rm -rf '$(VENV)' && "$$python" -m venv '$(VENV)' && touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/.made
	@echo "Installing sciml_jax[$*] into $(VENV) (minutes the first time, then not again)"
	@$(PY) $(PIP) -e '.[$*]'
	@touch $@

$(OLDEST)/.installed: pyproject.toml tools/lower_bounds.py
	@python=$$(sh tools/find_python.sh oldest) || exit 1; \
	echo "Making $(OLDEST) with $$python and the lowest supported versions"; \
	rm -rf '$(OLDEST)' && "$$python" -m venv '$(OLDEST)' && \
	'$(OLDEST)/bin/python' tools/lower_bounds.py > '$(OLDEST)/constraints.txt' && \
	'$(OLDEST)/bin/python' $(PIP) -c '$(OLDEST)/constraints.txt' -e '.[test]'
	@touch $@

# --- commands ---

quickstart: $(VENV)/.installed-plot ## the library's main job on real data: writes quickstart.png, quickstart.json
	MPLBACKEND=Agg $(PY) examples/quickstart.py $(ARGS)

test: $(VENV)/.installed-test $(VENV)/.installed-plot ## all tests but the full matrix
	MPLBACKEND=Agg $(CACHE) $(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-full: $(VENV)/.installed-test $(VENV)/.installed-plot ## the full matrix of laws (long)
	MPLBACKEND=Agg $(CACHE) $(PY) -m pytest -n $(WORKERS) --dist worksteal -m full $(ARGS)

lint: $(VENV)/.installed-dev ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(VENV)/.installed-dev ## let ruff fix what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(VENV)/.installed-dev $(VENV)/.installed-test $(VENV)/.installed-plot ## pyright
	$(PY) -m pyright --pythonpath $(PY)

layers: $(VENV)/.installed-dev ## which folder may import which (import-linter)
	$(VENV)/bin/lint-imports

examples: $(VENV)/.installed-plot ## every example but the quickstart; files go to output/
	@mkdir -p output
	@for script in examples/*.py; do \
		case "$$script" in examples/quickstart.py|examples/_*|"examples/*.py") continue ;; esac; \
		echo "== $$script"; \
		(cd output && MPLBACKEND=Agg '$(abspath $(PY))' "$(CURDIR)/$$script" $(ARGS)) || exit 1; \
	done

bench: $(VENV)/.installed-bench ## every benchmark, beside its peers in one run
	@if command -v gfortran >/dev/null 2>&1; then $(MAKE) --no-print-directory $(VENV)/.installed-bench-lsoda; \
	else echo "No gfortran: the compiled LSODA (numbalsoda) is left out of the comparison."; fi
	@for script in benchmarks/*.py; do \
		case "$$script" in benchmarks/_*|benchmarks/aims.py|"benchmarks/*.py") continue ;; esac; \
		echo "== $$script"; $(PY) "$$script" $(ARGS) || exit 1; \
	done
	@$(PY) benchmarks/aims.py

bench-bsde: $(VENV)/.installed-bench ## equations in 100 dimensions; CASE="allen_cahn" SEED=0 for one row, one seed, not kept
	$(PY) benchmarks/bsde.py $(if $(CASE),--case "$(CASE)") $(if $(SEED),--seed $(SEED)) $(ARGS)

oldest: $(OLDEST)/.installed ## contract tests on the oldest Python at hand and the lowest supported versions
	@# One method of each family, as XLA compiles by default: `make test` turns its optimisation down to save time.
	SCIML_JAX_TEST_FEW=1 SCIML_JAX_TEST_OPTIMISED=1 MPLBACKEND=Agg $(CACHE) $(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal tests/contracts $(ARGS)

hooks: $(VENV)/.installed-dev ## run lint and types before every commit
	$(VENV)/bin/pre-commit install

clean: ## remove environments, caches and outputs
	rm -rf $(VENV) $(OLDEST) .jax_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis output build dist
	rm -f quickstart.png quickstart.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
