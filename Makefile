# The course's commands; `make` alone lists them. Each sets the environment up first, once.
PYTHON ?= python3
COLAB_PYTHON ?= .venv/bin/python
CONSTRAINTS ?= -c constraints.txt
LAB_ARGS ?=
ARGS ?=
VERSION ?=

READY := .venv/.ready
COLAB_READY := .venv-colab/.ready
RUN := .venv/bin/python -m
# three workers of a thread each: on two cores, one mostly waits for a kernel or a browser;
# without bytecode, some sixty processes would compile the package anew
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(RUN) pytest -n 3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup lab teach check test book claims bench gpu badges screenshots strip lint assignments flake release
.PHONY: lint-style lint-types lint-notebooks lint-assignments

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make the environment .venv, or bring it up to date
	@echo "The environment .venv is ready: make lab"

# Students see nothing of nbgrader: no "Create Assignment", no "Formgrader".
lab: export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/student:$(JUPYTER_CONFIG_PATH)
lab: $(READY) ## open JupyterLab at the first lesson (LAB_ARGS="--no-browser --port 9000")
	$(RUN) jupyter lab --LabApp.default_url=/lab/tree/lessons/00_start_here.ipynb $(LAB_ARGS)

teach: $(READY) ## open JupyterLab with nbgrader's tools, for teachers
	$(RUN) jupyter lab $(LAB_ARGS)

check: lint ## lint, and the tests of a minute: before every commit (ARGS="-k player")
	$(PYTEST) -m "not (lesson or browser or environment or slow)" $(ARGS)

test: $(READY) $(COLAB_READY) ## run all tests, three at a time (ARGS="-k player")
	$(PYTEST) $(ARGS)

book: $(READY) ## run every lesson at laptop scale and write web pages into book/
	$(RUN) tools.book $(ARGS)

claims: $(READY) ## compute the numbers that the prose quotes; slow (ARGS="--only lesson00")
	$(RUN) tools.measured claims $(ARGS)

bench: $(READY) ## compare the cost of a step with a plain loop; a table (ARGS="--only small")
	$(RUN) tools.measured bench $(ARGS)

gpu: $(READY) ## measure what a GPU does with the course, into gpu_report.md; half an hour
	$(RUN) tools.measured gpu

badges: $(READY) ## write what is generated: badges, set-up, links, credits of figures
	$(RUN) tools.notebooks badges
	$(RUN) tools.notebooks nav
	$(RUN) tools.readme
	$(RUN) tools.credits

screenshots: $(READY) ## take a picture of every widget, into screenshots/ (ARGS="--panels")
	$(RUN) tools.screenshots $(ARGS)

strip: $(READY) ## clear outputs and stray metadata of every lesson
	$(RUN) tools.notebooks strip

assignments: $(READY) ## write assignments/, what students get, from solutions/
	$(RUN) tools.assignments $(ARGS)

flake: $(READY) ## grade each reference solution 20 times: one score; slow (ARGS="--times 3")
	$(RUN) tools.flake $(ARGS)

lint: lint-style lint-types lint-notebooks lint-assignments ## check style, types, notebooks, assignments

# The parts of lint: the hooks of .pre-commit-config.yaml call them, too.
lint-style: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .

lint-types: $(READY)
	$(RUN) mypy

lint-notebooks: $(READY)
	$(RUN) tools.notebooks check

lint-assignments: $(READY)
	$(RUN) tools.assignments --check

release: $(READY) ## prepare a version: make release VERSION=0.2.0 (ARGS=--check: do all files agree?)
	$(RUN) tools.release $(VERSION) $(ARGS)

# The stamp is written last: an interrupted installation is repeated.
$(READY): pyproject.toml requirements.txt constraints.txt
	@test -x .venv/bin/python || { $(call need_python) && $(PYTHON) -m venv .venv; }
	$(RUN) pip install --disable-pip-version-check -r requirements.txt $(CONSTRAINTS)
	@touch $@

# A second environment with the old versions that Colab has; tests only.
$(COLAB_READY): tests/colab-requirements.txt | $(READY)
	@test -x .venv-colab/bin/python || { $(call need_colab_python) && $(COLAB_PYTHON) -m venv .venv-colab; }
	.venv-colab/bin/python -m pip install --disable-pip-version-check -r $<
	@touch $@

define need_python
{ command -v $(PYTHON) >/dev/null || \
    { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …"; exit 1; }; } && \
{ $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo "The course needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 …"; exit 1; }; } && \
{ $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
    { echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }; }
endef

define need_colab_python
{ $(COLAB_PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || \
    { echo "Colab's versions need Python 3.13 or older. Name one: make test COLAB_PYTHON=python3.13 …, or run .venv/bin/python -m pytest"; exit 1; }; }
endef
