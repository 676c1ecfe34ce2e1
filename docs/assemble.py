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
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REFERENCE = """{title}
{line}

Explained and tested in its notebook, :doc:`/{notebook}`.

.. automodule:: {module}
   :members:
"""

NOTE = """```{{container}} notebook-note
This page is the notebook [{file}]({url}). `make lab` opens it in Jupyter, where every cell can be changed and run again.{reference}
```"""


def settings(root: Path = ROOT) -> dict[str, str]:
    """Return settings.ini, with the address of the repository and of the site."""
    parser = configparser.ConfigParser()
    parser.read(root / "settings.ini", encoding="utf-8")
    values = dict(parser["DEFAULT"])
    return values | {"site_url": f"{values['doc_host']}{values['doc_baseurl'].rstrip('/')}/"}


def find_pages(root: Path) -> dict[Path, str]:
    """Return every file of the repository that goes to the site, with its path there."""
    nbs, docs = root / "nbs", root / "docs"
    notebooks = [p for p in nbs.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    pictures = [p for p in nbs.rglob("*") if p.suffix in {".png", ".svg", ".jpg"}]
    pages = {p: p.relative_to(nbs).as_posix() for p in notebooks + pictures}
    pages |= {p: p.name for p in docs.glob("*.md")}
    pages |= {p: p.name.lower() for p in [root / "CONTRIBUTING.md", root / "CHANGELOG.md"] if p.exists()}
    return {p: pages[p] for p in sorted(pages)}


def link(root: Path, pages: dict[Path, str], page: Path, git_url: str, match: re.Match) -> str:
    """Return the link of one page as it must read on the site; what does not exist is left for Sphinx to refuse."""
    target = (page.parent / match[0]).resolve()
    if target in pages:
        return os.path.relpath(pages[target], Path(pages[page]).parent)
    if target.exists() and target.is_relative_to(root):
        return f"{git_url}/blob/main/{target.relative_to(root).as_posix()}"
    return match[0]


def complete(notebook: str, note: str, contents: str) -> str:
    """Return a notebook with a note below its title and promise, and the site's contents at its end."""
    nb = json.loads(notebook)
    first = next((cell for cell in nb["cells"] if cell["cell_type"] == "markdown"), None)
    if note and first:
        head, promise, rest = re.fullmatch(r"(# .*\n+)?((?:>.*(?:\n|$))*)(.*)", "".join(first["source"]), re.DOTALL).groups()
        first["source"] = f"{head or ''}{promise}\n{note}\n\n{rest}"
    if contents:
        nb["cells"].append({"cell_type": "markdown", "id": "assembled", "metadata": {}, "source": contents})
    return json.dumps(nb)


def promise(notebook: Path) -> str:
    """Return the line with which a notebook says what it is for."""
    sources = ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"]]
    match = re.search(r"^> (.*)", "\n".join(sources), re.MULTILINE)
    return match[1] if match else ""


def toctree(names: list[str], caption: str = "") -> str:
    """Return one section of the site's contents, or nothing when it is empty."""
    lines = ["```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *names, "```", ""]
    return "\n".join(lines) if names else ""


def write_reference(root: Path, source: Path) -> dict[str, str]:
    """Write one page for each module and one that lists them; return the name of each module's notebook → of its page."""
    reference, rows = {}, []
    for path in (root / "vae_nbdev").glob("[!_]*.py"):
        notebook = re.search(r"File to edit: \.\./nbs/(\S+)\.ipynb", path.read_text())[1]
        module = f"vae_nbdev.{path.stem}"
        reference[notebook] = f"api/{path.stem}"
        page = REFERENCE.format(title=module, line="=" * len(module), module=module, notebook=notebook)
        (source / "api" / f"{path.stem}.rst").write_text(page)
        rows.append((notebook, f"| {{doc}}`{module} <{path.stem}>` | {promise(root / 'nbs' / f'{notebook}.ipynb')} |"))
    page = ["# API reference", "", "One page a module, in the order of their layers: code imports only from what stands above it.", "",
            "| module | what it is for |", "| --- | --- |", *(row for _, row in sorted(rows)), "",
            toctree([name.removeprefix("api/") for _, name in sorted(reference.items())])]
    (source / "api" / "index.md").write_text("\n".join(page))
    return reference


def assemble(root: Path = ROOT, source: Path = ROOT / "docs/_build/source") -> None:
    """Write the sources of the site afresh."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "api").mkdir(parents=True)
    git_url, pages, reference = settings(root)["git_url"], find_pages(root), write_reference(root, source)

    names = [name.removesuffix(".ipynb").removesuffix(".md") for name in pages.values()]
    story = [n for n in names if re.match(r"tutorials/\d", n)] + [n for n in names if n == "explorer"]
    modules = [n for n in names if re.match(r"\d|report$", n)]
    start, project = ([n for n in wanted if n in names] for wanted in (["get_started"], ["contributing", "changelog"]))
    other = [n for p, n in zip(pages, names) if p.suffix == ".md" and n not in start + story + project]
    contents = "\n".join([toctree(start), toctree(story + other, "The story"), toctree(modules, "How the package works"),
                          toctree(["api/index"], "Reference"), toctree(project, "The project")])

    for page, name in pages.items():
        to = source / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix not in {".ipynb", ".md"}:
            shutil.copy(page, to)
            continue
        text = re.sub(r"(?<=\]\()[^()#\s\"\\]+", partial(link, root, pages, page, git_url), page.read_text())
        if page.suffix == ".ipynb":
            stem, file = name.removesuffix(".ipynb"), page.relative_to(root).as_posix()
            ours = f" The same names in the reference: {{doc}}`/{reference[stem]}`." if stem in reference else ""
            note = NOTE.format(file=f"`{file}`", url=f"{git_url}/blob/main/{file}", reference=ours) if stem != "index" else ""
            text = complete(text, note, contents if stem == "index" else "")
        to.write_text(text)


if __name__ == "__main__":
    assemble(*(Path(folder).resolve() for folder in sys.argv[1:]))
