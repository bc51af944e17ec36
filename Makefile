# One target a verb; each works on a fresh clone. Everything made lands in .venv and build/.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench simulate chaos e2e images charts crds docs clean mariadb pins

help: ## list the targets
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY) ## the virtual environment and all packages

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(READY) ## load three real catalogs into a local cluster and ask them questions (KEEP=1 leaves it up)
	@$(BIN)/qserv demo $(if $(KEEP),--keep)

test: $(READY) lint mariadb ## lint, types, import layers, and all tests but those on Kubernetes
	@$(BIN)/pytest --numprocesses auto $(PYTEST_ARGS)

lint: $(READY) ## ruff, mypy, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff --quiet .; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo | tail -1

format: $(READY) ## put the code into the one format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The tests compare answers with a real MariaDB. Without the right to install one they say what they skipped.
mariadb:
	@command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing mariadb-server for the tests (once)"; \
	    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends mariadb-server mariadb-client; } >/dev/null 2>&1 \
	      || echo "mariadb-server could not be installed: the tests against MariaDB will be skipped"; \
	  else echo "no mariadbd here, and no right to install it (apt-get install mariadb-server): the tests against MariaDB will be skipped"; fi; }

bench: $(READY) mariadb ## measure speed side by side with others; writes build/bench.json (BENCH_ARGS=--quick: small)
	@$(BIN)/python -m bench $(BENCH_ARGS)

simulate: $(READY) ## a million steps of random histories of a cluster; SEED=… STEPS=… repeats one
	@cd images/engine/tests && $(CURDIR)/$(BIN)/python -m simulation $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED))

chaos: $(READY) ## a cluster of five workers whose processes, disks and files are broken while it is asked
	@cd images/engine/tests && PYTHONPATH=.. $(CURDIR)/$(BIN)/python -m chaos $(CHAOS_ARGS)

# Images are built by docker, or with BUILDER=buildah where no Docker engine is. BASE (for all of them) replaces the pinned
# base images, for where no image registry is reached.
BUILDER ?= docker
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PREFIX  ?= qserv
ARGS     = $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(PIP_CERT),--build-arg PIP_CERT=$(PIP_CERT)) \
           $(if $(PIP_INDEX_URL),--build-arg PIP_INDEX_URL=$(PIP_INDEX_URL))
ifeq ($(BUILDER),buildah)
SAVE     = buildah push -q $$image docker-archive:$$archive:$$image
BUILD   := buildah bud --layers --isolation chroot --network host -v /etc/ssl/certs:/etc/ssl/certs:ro
else
SAVE     = $(BUILDER) save -o $$archive $$image
BUILD   := $(BUILDER) build
endif

images: ## engine, operator and metadata images, $(PREFIX)/<name>:<version>; ARCHIVES=folder saves them
	$(BUILD) $(ARGS) -f images/engine/Dockerfile -t $(PREFIX)/engine:$(VERSION) .
	$(BUILD) $(ARGS) -f images/operator/Dockerfile -t $(PREFIX)/operator:$(VERSION) .
	$(BUILD) $(if $(BASE),--build-arg BASE=$(BASE)) -f images/metadata/Dockerfile -t $(PREFIX)/metadata:$(VERSION) .
ifneq ($(ARCHIVES),)
	@mkdir -p $(ARCHIVES)
	@for name in engine operator metadata; do \
	  image=$(PREFIX)/$$name:$(VERSION) archive=$(ARCHIVES)/$$name.tar; rm -f $$archive; $(SAVE); done
endif

# Image archives are kept outside of the clone, so that the next run finds the layers; it works as well without.
IMAGE_CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/qserv/images

e2e: $(READY) ## tests on a real Kubernetes: KUBECONFIG, or a cluster made with kind
	@$(MAKE) --no-print-directory images PREFIX=localhost/qserv ARCHIVES=$(IMAGE_CACHE)
	$(BUILD) --build-arg BASE=localhost/qserv/engine:$(VERSION) -t localhost/qserv/engine:next e2e/next
	$(BUILD) --build-arg BASE=localhost/qserv/engine:$(VERSION) --build-arg FURTHER=3 -t localhost/qserv/engine:far e2e/next
	@for tag in next far; do \
	  image=localhost/qserv/engine:$$tag archive=$(IMAGE_CACHE)/engine-$$tag.tar; rm -f $$archive; $(SAVE); done
	@QSERV_E2E_IMAGES=$(IMAGE_CACHE) $(BIN)/pytest e2e -c e2e/pytest.ini $(PYTEST_ARGS)

# Versions are chosen once, for tests, engine and operator alike; images are built of the very files that were seen then.
PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header

pins: $(READY) ## choose versions of Python packages anew within pyproject.toml's bounds, and write their hashes for the images
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(PIN) --upgrade --extra test -o constraints.txt pyproject.toml
	@for image in engine operator; do \
	  $(PIN) --generate-hashes -c constraints.txt --extra $$image -o images/$$image/requirements.txt pyproject.toml || exit 1; done
	@sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | $(PIN) --generate-hashes -c constraints.txt -o images/build.txt -

crds: $(READY) ## write crds/ anew from the operator's models
	@$(BIN)/python -m qserv_operator.crd crds charts/qserv-operator/files/crds
	@$(BIN)/python -m qserv_operator.reference docs/reference

docs: $(READY) crds ## write the generated pages of docs/ anew
	@$(BIN)/python -m qserv.cli.reference > docs/reference/command-line.md
	@$(BIN)/python -m qserv.cli.interfaces > docs/reference/interfaces.md

charts: $(READY) ## check the charts and pack them into build/charts (needs helm)
	@mkdir -p build/charts
	helm lint charts/qserv-operator charts/qserv-cluster
	helm package --destination build/charts charts/qserv-operator charts/qserv-cluster

clean: ## remove what was made
	rm -rf build $(VENV)
