"""Lay out the sources of the site in docs/_build/source: `python docs/assemble.py`, before Sphinx runs.

Notebooks keep their place below nbs/, so nbs/index.ipynb becomes the front page; beside them stand the pages of docs/,
CONTRIBUTING and CHANGELOG, and one page of reference for every module. A notebook that exists is a page: nothing is
listed by hand. Links are written as they are true in the repository, and turned here into links between pages.
"""
import configparser
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT, SOURCE = DOCS.parent, DOCS / "_build" / "source"
NBS, PACKAGE = ROOT / "nbs", ROOT / "vae_nbdev"

REFERENCE = """{title}
{line}

Explained and tested in its notebook, :doc:`/{notebook}`.

.. automodule:: {module}
   :members:
"""


def find_pages() -> dict[Path, str]:
    """Return every file of the repository that goes to the site, with its path there."""
    notebooks = [p for p in NBS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    pictures = [p for p in NBS.rglob("*") if p.suffix in {".png", ".svg", ".jpg"}]
    pages = {p: p.relative_to(NBS).as_posix() for p in notebooks + pictures}
    pages |= {p: p.name for p in DOCS.glob("*.md")}
    pages |= {p: p.name.lower() for p in [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"] if p.exists()}
    return {p: pages[p] for p in sorted(pages)}


def link(pages: dict[Path, str], page: Path, git_url: str, match: re.Match) -> str:
    """Return the link of one page as it must read on the site; what does not exist is left for Sphinx to refuse."""
    target = (page.parent / match[0]).resolve()
    if target in pages:
        return os.path.relpath(pages[target], Path(pages[page]).parent)
    if target.exists() and target.is_relative_to(ROOT):
        return f"{git_url}/blob/main/{target.relative_to(ROOT).as_posix()}"
    return match[0]


def append(notebook: str, markdown: str) -> str:
    """Return a notebook with one more cell of Markdown at its end."""
    nb = json.loads(notebook)
    nb["cells"].append({"cell_type": "markdown", "id": "assembled", "metadata": {}, "source": markdown})
    return json.dumps(nb)


def toctree(caption: str, names: list[str]) -> str:
    """Return one section of the site's contents, or nothing when it is empty."""
    lines = ["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""]
    return "\n".join(lines) if names else ""


def write_reference() -> dict[str, str]:
    """Write one page for each module; return the name of each module's notebook, with that of the page."""
    reference = {}
    for path in sorted(PACKAGE.glob("[!_]*.py")):
        notebook = re.search(r"File to edit: \.\./nbs/(\S+)\.ipynb", path.read_text())[1]
        module = f"vae_nbdev.{path.stem}"
        reference[notebook] = f"api/{path.stem}"
        page = REFERENCE.format(title=module, line="=" * len(module), module=module, notebook=notebook)
        (SOURCE / "api" / f"{path.stem}.rst").write_text(page)
    return dict(sorted(reference.items()))


def assemble() -> None:
    """Write docs/_build/source afresh."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    (SOURCE / "api").mkdir(parents=True)
    settings = configparser.ConfigParser()
    settings.read(ROOT / "settings.ini")
    git_url, pages, reference = settings["DEFAULT"]["git_url"], find_pages(), write_reference()

    names = [name.removesuffix(".ipynb").removesuffix(".md") for name in pages.values()]
    story = [n for n in names if re.match(r"tutorials/\d", n)] + [n for n in names if n == "explorer"]
    modules = [n for n in names if re.match(r"\d", n)]
    project = [n for n in ("changelog", "contributing") if n in names]
    contents = [("The story", story), ("How the package works", modules), ("Reference", list(reference.values())),
                ("The project", project)]

    for page, name in pages.items():
        to = SOURCE / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix not in {".ipynb", ".md"}:
            shutil.copy(page, to)
            continue
        text = re.sub(r"(?<=\]\()[^()#\s\"\\]+", partial(link, pages, page, git_url), page.read_text())
        stem = name.removesuffix(".ipynb")
        if stem == "index":
            text = append(text, "\n".join(toctree(*section) for section in contents))
        elif stem in reference:
            text = append(text, f"The same names in the reference: {{doc}}`/{reference[stem]}`.")
        to.write_text(text)


if __name__ == "__main__":
    assemble()
