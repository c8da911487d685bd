# What a person types. `make run` and `make test` do all the set-up from a fresh clone; it takes Python 3.11 and make.

VENV := .venv
SET_UP := $(VENV)/.set-up

.PHONY: help run demo test lint clean
.DEFAULT_GOAL := help

help:
	@echo "make run    start everything on this machine (PostgreSQL, Valkey, simulators, the service); Ctrl-C ends it"
	@echo "make demo   in a second terminal: a year of an online cinema, against what make run started"
	@echo "make test   every check: style, types, imports, tests"
	@echo "make lint   the checks without the tests"
	@echo "make clean  remove what set-up and runs have made, data of the local stack included"

# The local showcase holds its time, so that renewals and reminders of a year can be seen in a minute;
# BILLING_CLOCK=system make run lets it run.
run: export BILLING_CLOCK ?= held
run: $(SET_UP)
	@exec $(VENV)/bin/billing run --with-parent

demo: $(SET_UP)
	@exec $(VENV)/bin/billing demo

lint: $(SET_UP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# A file's tests stay together, for they share servers; each worker has a core of its own. In the order of collection,
# which has the long files first.
test: lint
	$(VENV)/bin/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

clean:
	@python=$$([ -x $(VENV)/bin/python ] && echo $(VENV)/bin/python || command -v python3.11 || command -v python3) && \
		"$$python" -m infrastructure.local.clean "$${BILLING_HOME_DIR:-.local}"
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Done again only when the locked packages or the project's own description change. The stamp is written last, so that
# a set-up that was interrupted is taken up again.
$(SET_UP): requirements.lock pyproject.toml
	@set -e; \
	is_311() { "$$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }; \
	if ! is_311 $(VENV)/bin/python; then \
		for python in $(PYTHON) python3.11 python3 python; do \
			if is_311 "$$python"; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "Python 3.11 is needed; python3 here is: $$(python3 --version 2>&1 || true)." >&2; \
			echo "Install it (Debian: apt-get install python3.11 python3.11-venv), or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
			exit 1; \
		fi; \
		echo "making a virtual environment in $(VENV) with $$found"; \
		if ! "$$found" -m venv --clear $(VENV); then \
			rm -rf $(VENV); \
			echo "$$found cannot make a virtual environment (Debian: apt-get install python3.11-venv)" >&2; \
			exit 1; \
		fi; \
	fi; \
	echo "installing the locked packages"; \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock; \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	touch $@
