# The commands of this project. `make help` lists them.
#
# Everything they make stays inside the clone: `.venv` (Python packages) and
# `.cache` (Debian packages of the test peers, unpacked and never installed).

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LDAP_STAMP := $(VENV)/.ldap
PIP := $(PY) -m pip --disable-pip-version-check --quiet

export PYTHONDONTWRITEBYTECODE ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test check-long bench docs docs-reference venv peers lint types pytest ldap clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 18

run: $(STAMP) ## start the demonstration: a gateway, a next hop, and what it refuses
	@exec $(PY) -m arrowslit.demo

test: ldap ## everything that must hold before a change lands
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint types peers
	@$(MAKE) --no-print-directory pytest

check-long: $(STAMP) peers ldap ## the same tests with many more examples, and the long ones
	$(PY) -m pytest --long --hypothesis-profile=long

bench: $(STAMP) peers ## measure against Postfix and HAProxy
	$(PY) -m bench

docs-reference: $(STAMP) ## write the generated pages of docs/reference anew
	$(PY) -m arrowslit.documents.reference
	$(PY) -m arrowslit.cli.reference

docs: $(STAMP) ## the pages as HTML and man pages, in .cache/docs
	$(PY) -m sphinx -q -W -b html docs .cache/docs/html
	$(PY) -m sphinx -q -W -b man docs .cache/docs/man

lint: $(STAMP) ## style, format and who may import whom
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports

types: $(STAMP) ## mypy, strict
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy tests/conftest.py tests/peers bench

pytest: $(STAMP) # the tests alone, with whatever peers are there
	$(PY) -m pytest -n 3 --dist loadfile

peers: $(STAMP) ## unpack the mail servers that the tests talk to into .cache/peers
	@$(PY) -m tests.peers.install

ldap: $(LDAP_STAMP) # the extra `ldap`, where it can be built

venv: $(STAMP) # the environment alone

# pip 25.1 is the first that reads [dependency-groups]; a system's own is often older.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say which with PYTHON=")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --editable . --group dev
	@touch $@

# python-ldap is compiled against OpenLDAP's headers. Without them the tests of LDAP are skipped.
$(LDAP_STAMP): $(STAMP)
	@$(PY) -m tests.peers.headers && $(PIP) install --editable '.[ldap]' && touch $@ \
	  || echo 'python-ldap was not built: tests of LDAP will be skipped'

clean: ## remove what these commands have made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
