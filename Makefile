# Two commands do everything on a fresh Debian machine: make demo, make test.
PYTHON := .venv/bin/python
.PHONY: setup setup-devcloud demo test check bench parameters clean-demo devcloud devcloud-down

setup:
	@scripts/setup

setup-devcloud:
	@scripts/setup devcloud

demo: setup
	@$(PYTHON) scripts/demo.py

clean-demo: setup
	@$(PYTHON) scripts/demo.py --remove

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# The tests on OpenStack come last and one at a time: two cores are few for all its services.
test: setup-devcloud check
	$(PYTHON) -m pytest -n 2 --dist worksteal --ignore tests/openstack
	$(PYTHON) -m pytest tests/openstack

devcloud: setup-devcloud
	@$(PYTHON) -m tests.devcloud up

devcloud-down:
	@$(PYTHON) -m tests.devcloud down

bench: setup
	$(PYTHON) benchmarks/run.py
	$(PYTHON) benchmarks/usable.py

parameters: setup
	$(PYTHON) scripts/describe_parameters.py mariadb
	$(PYTHON) scripts/describe_parameters.py postgresql
