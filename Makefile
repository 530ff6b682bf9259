# Two commands do everything on a fresh Debian machine: make demo, make test.
PYTHON := .venv/bin/python
.PHONY: setup demo test check bench parameters clean-demo

setup:
	@scripts/setup

demo: setup
	@$(PYTHON) scripts/demo.py

clean-demo: setup
	@$(PYTHON) scripts/demo.py --remove

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: check
	$(PYTHON) -m pytest -n 2 --dist worksteal

bench: setup
	$(PYTHON) benchmarks/run.py
	$(PYTHON) benchmarks/usable.py

parameters: setup
	$(PYTHON) scripts/describe_parameters.py mariadb
	$(PYTHON) scripts/describe_parameters.py postgresql
