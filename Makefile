# Every target makes .venv when it is missing or out of date, and reuses it otherwise. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
READY := .venv/installed
PEERS := .venv/peers
SITE := docs/_build/html
NB ?=
ONCE ?=
RECORD ?=
ROWS ?=
QUICK ?=

.PHONY: help .venv demo demo-model test test-slow check notebooks readme export clean-notebooks lab docs docs-test bench fidelity explorer constraints clean

help: ## list the targets
	@awk -F':.*## ' '/^[.a-z-]+:.*## /{printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: $(READY) ## install everything, at the versions of constraints.txt

# torch comes first and at its exact version: a looser requirement may fetch a build for a GPU. The build tools come
# with it, so that building the project itself downloads nothing of its own choice. vcdisk, the second opinion of one
# test, demands Jinja2 3.0.3, which Sphinx refuses; it works with ours, so it is installed without its requirements.
$(READY): constraints.txt settings.ini setup.py pyproject.toml
	@echo "installing into .venv; the first time takes some minutes" >&2
	$(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)" setuptools wheel
	$(PIP) --no-build-isolation -e '.[files,report,arviz,dev,docs]'
	$(PIP) --no-deps vcdisk
	@touch $@

demo: $(READY) ## learn 2 000 rotation curves, generate 500 new ones, say how good they are: runs/demo
	$(BIN)/vae_nbdev demo

demo-model: $(READY) ## train the model that ships with the package again, and write it to vae_nbdev/data/demo
	$(BIN)/python tools/demo_model.py

test: check ## the checks, then the fast cells of every notebook (NB=nbs/x.ipynb: of these; ONCE=1: of those that test-slow leaves)
	$(BIN)/python tools/test.py $(if $(ONCE),--once) $(if $(RECORD),--record) $(NB)

test-slow: $(READY) ## the notebooks that have slow cells, slow cells included; the headline figures; what the README says
	$(BIN)/python tools/test.py --slow $(if $(RECORD),--record) $(NB)
	printf '%s\n' headline test_readme | OMP_NUM_THREADS=1 xargs -P 2 -I{} $(BIN)/python tools/{}.py

check: $(READY) ## export, README, layers, sizes, outputs, ruff: is everything in step? And can each check fail?
	$(BIN)/python tools/check.py
	printf '%s\n' test_tools test_explorer test_names | OMP_NUM_THREADS=1 xargs -P 2 -I{} $(BIN)/python tools/{}.py

notebooks: $(READY) ## run all notebooks, keep their outputs, export them, write the README (NB=nbs/x.ipynb: only these)
	$(BIN)/python tools/colab.py
	$(BIN)/python tools/run_notebooks.py $(NB)
	$(BIN)/nbdev_export
	$(BIN)/python tools/packaged.py
	$(BIN)/python tools/readme.py

readme: $(READY) ## write README.md from nbs/index.ipynb
	$(BIN)/python tools/readme.py

export: $(READY) ## write vae_nbdev/ from the notebooks
	$(BIN)/python tools/colab.py
	$(BIN)/nbdev_export
	$(BIN)/python tools/packaged.py

clean-notebooks: $(READY) ## take counters and stray metadata out of the notebooks
	$(BIN)/nbdev_clean

lab: $(READY) ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=nbs

docs: $(READY) ## build the site; any warning is an error
	rm -rf docs/_build
	$(BIN)/python docs/assemble.py
	$(BIN)/python -m sphinx -q -W --keep-going -E -n -b html -c docs -d docs/_build/doctrees docs/_build/source $(SITE)
	@echo "the site is in $(SITE)/index.html"

docs-test: docs ## does the build fail when it should? Then every page of the site in a browser (Chromium)
	$(BIN)/python tools/test_docs.py
	$(BIN)/python tools/test_site.py

# pythae asks for packages that are no longer needed; with these three its VAE and samplers work.
$(PEERS): $(READY)
	$(PIP) cloudpickle imageio pydantic
	$(PIP) --no-deps pythae
	@touch $@

bench: $(PEERS) ## time everything side by side, some twenty minutes (ROWS="simulate one_nat": of these; QUICK=1: half of the repeats)
	$(BIN)/python benchmarks/speed.py $(ROWS) $(if $(QUICK),--quick)

fidelity: $(READY) ## train and score what is missing in the tables of "How good is it?"; all of it takes hours
	$(BIN)/python benchmarks/fidelity.py

explorer: $(READY) ## write the latent explorer of the model that ships with the package: docs/explorer.html
	$(BIN)/python tools/explorer.py

constraints: $(READY) ## write into constraints.txt what .venv holds now
	{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/python -m pip freeze --all --exclude-editable | sed '/^pip==/d; s/+.*//'; } > constraints.new
	mv constraints.new constraints.txt
	@touch $(READY)

clean: ## remove what can be made again in a minute; .venv and runs stay
	rm -rf docs/_build build dist *.egg-info
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -print0 | xargs -0 rm -rf
