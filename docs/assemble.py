"""Lay out the sources of the site in docs/_build/source: `python docs/assemble.py`.

It runs before Sphinx. Notebooks keep their place below nbs/, so nbs/index.ipynb becomes the front
page; beside them stand the pages of docs/, CONTRIBUTING and CHANGELOG, and one page of reference
for every module. The face of a folder, NN_face.ipynb, becomes the page that leads to its
notebooks. A notebook that exists is a page: nothing is listed by hand. Links are written as they
are true in the repository, and turned here into links between pages.
"""
import ast
import configparser
import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vae_nbdev"

REFERENCE = """{title}
{line}

Explained and tested in its notebook, :doc:`/{notebook}`.

.. automodule:: {module}
   :members:
"""

NOTE = """```{{container}} notebook-note
This page is the notebook [{file}]({url}). `make lab` opens it in Jupyter, where every cell can be \
changed and run again.{reference}
```"""


def settings(root: Path = ROOT) -> dict[str, str]:
    """Return settings.ini, with the address of the repository and of the site."""
    parser = configparser.ConfigParser()
    parser.read(root / "settings.ini", encoding="utf-8")
    values = dict(parser["DEFAULT"])
    site_url = f"{values['doc_host']}{values['doc_baseurl'].rstrip('/')}/"
    return values | {"site_url": site_url}


def find_pages(root: Path) -> dict[Path, str]:
    """Return every file of the repository that goes to the site, with its path there."""
    nbs, docs = root / "nbs", root / "docs"
    notebooks = [p for p in nbs.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    pictures = [p for p in nbs.rglob("*") if p.suffix in {".png", ".svg", ".jpg"}]
    pages = {p: p.relative_to(nbs).as_posix() for p in notebooks + pictures}
    pages |= {p: p.name for p in docs.glob("*.md")}
    others = [root / "CONTRIBUTING.md", root / "CHANGELOG.md"]
    pages |= {p: p.name.lower() for p in others if p.exists()}
    return {p: pages[p] for p in sorted(pages)}


def number(name: str) -> int:
    """Return the number of a notebook, by which all are ordered; those without one come last."""
    match = re.match(r"\d+(?=_)", name.rpartition("/")[2])
    return int(match[0]) if match else sys.maxsize


def is_face(name: str) -> bool:
    """Return whether a page is the face of a folder."""
    return bool(re.search(r"/\d+_face$", name))


def link(root: Path, pages: dict[Path, str], page: Path, git_url: str, match: re.Match) -> str:
    """Return a link of one page as it must read on the site; Sphinx refuses what is nowhere."""
    target = (page.parent / match[0]).resolve()
    if target in pages:
        return os.path.relpath(pages[target], Path(pages[page]).parent)
    if target.exists() and target.is_relative_to(root):
        return f"{git_url}/blob/main/{target.relative_to(root).as_posix()}"
    return match[0]


def complete(notebook: str, note: str, contents: str) -> str:
    """Return a notebook with a note below its title and promise, and contents at its end."""
    nb = json.loads(notebook)
    first = next((cell for cell in nb["cells"] if cell["cell_type"] == "markdown"), None)
    if note and first:
        parts = r"(# .*\n+)?((?:>.*(?:\n|$))*)(.*)"
        head, promise, rest = re.fullmatch(parts, "".join(first["source"]), re.DOTALL).groups()
        first["source"] = f"{head or ''}{promise}\n{note}\n\n{rest}"
    if contents:
        cell = {"cell_type": "markdown", "id": "assembled", "metadata": {}, "source": contents}
        nb["cells"].append(cell)
    return json.dumps(nb)


def promise(notebook: Path) -> str:
    """Return the line with which a notebook says what it is for."""
    sources = ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"]]
    match = re.search(r"^> (.*)", "\n".join(sources), re.MULTILINE)
    return match[1] if match else ""


def toctree(names: list[str], caption: str = "") -> str:
    """Return one section of the site's contents, or nothing when it is empty."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    lines = ["```{toctree}", *options, "", *(f"/{name}" for name in names), "```", ""]
    return "\n".join(lines) if names else ""


def table(root: Path, head: str, rows: list[tuple[str, str]]) -> str:
    """Return a table of links to pages, each with the promise of a notebook."""
    lines = [f"| {link} | {promise(root / 'nbs' / f'{nb}.ipynb')} |" for link, nb in rows]
    return "\n".join([f"| {head} | what it is for |", "| --- | --- |", *lines, ""])


def public_names(root: Path = ROOT) -> dict[str, str]:
    """Return what can be imported from the top of the package → its full name."""
    stub = root / PACKAGE / "__init__.pyi"
    nodes = ast.parse(stub.read_text()).body if stub.exists() else []
    return {alias.name: ".".join(filter(None, [PACKAGE, node.module, alias.name]))
            for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def write_reference(root: Path, source: Path) -> dict[str, str]:
    """Write a page for each module and one that lists them; return notebook → page."""
    reference, package = {}, root / PACKAGE
    for path in package.rglob("[!_]*.py"):
        notebook = re.search(r"File to edit: (?:\.\./)+nbs/(\S+)\.ipynb", path.read_text())[1]
        short = ".".join(path.relative_to(package).with_suffix("").parts)
        module = f"{PACKAGE}.{short}"
        line = "=" * len(module)
        page = REFERENCE.format(title=module, line=line, module=module, notebook=notebook)
        (source / "api" / f"{short}.rst").write_text(page)
        reference[notebook] = f"api/{short}"
    reference = dict(sorted(reference.items(), key=lambda item: number(item[0])))
    rows = [(f"{{doc}}`{PACKAGE}.{page[4:]} </{page}>`", nb) for nb, page in reference.items()]
    order = ("One page a module, in the order of their layers: code imports only from what stands "
             "above it.")
    page = ["# API reference", "", order, "", table(root, "module", rows),
            toctree(list(reference.values()))]
    if public := public_names(root):
        names = ", ".join(f"`{name}`" for name in public)
        page[2:2] = [f"`from {PACKAGE} import …` gives {names}.", ""]
    (source / "api" / "index.md").write_text("\n".join(page))
    return reference


def find_contents(root: Path, names: list[str]) -> dict[str, str]:
    """Return what to add to a page to lead on to others: page → Markdown."""
    markdown = [n for n in names if (root / "docs" / f"{n}.md").exists() and n != "get_started"]
    story = sorted(n for n in names if n.startswith("tutorials/"))
    parts = [n for n in names if re.match(r"\d+_|report$", n) or is_face(n)]
    start, project = ([n for n in wanted if n in names]
                      for wanted in (["get_started"], ["contributing", "changelog"]))
    sections = [toctree(start), toctree(story + markdown, "The story"),
                toctree(sorted(parts, key=number), "How the package works"),
                toctree(["api/index"], "Reference"), toctree(project, "The project")]
    contents = {"index": "\n".join(sections)}
    for face in filter(is_face, names):
        folder = face.rpartition("/")[0] + "/"
        inside = sorted((n for n in names if n.startswith(folder) and n != face), key=number)
        rows = [(f"{{doc}}`/{name}`", name) for name in inside]
        contents[face] = table(root, "notebook", rows) + "\n" + toctree(inside)
    return contents


def assemble(root: Path = ROOT, source: Path = ROOT / "docs/_build/source") -> None:
    """Write the sources of the site afresh."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "api").mkdir(parents=True)
    git_url, pages = settings(root)["git_url"], find_pages(root)
    reference = write_reference(root, source)
    written = [name for name in pages.values() if name.endswith((".ipynb", ".md"))]
    contents = find_contents(root, [name.rpartition(".")[0] for name in written])

    for page, name in pages.items():
        to = source / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if name not in written:
            shutil.copy(page, to)
            continue
        to_link = partial(link, root, pages, page, git_url)
        text = re.sub(r"(?<=\]\()[^()#\s\"\\]+", to_link, page.read_text())
        if page.suffix == ".ipynb":
            stem, file = name.removesuffix(".ipynb"), page.relative_to(root).as_posix()
            ours = ""
            if stem in reference:
                ours = f" The same names in the reference: {{doc}}`/{reference[stem]}`."
            note = NOTE.format(file=f"`{file}`", url=f"{git_url}/blob/main/{file}", reference=ours)
            text = complete(text, note if stem != "index" else "", contents.get(stem, ""))
        to.write_text(text)


if __name__ == "__main__":
    assemble(*(Path(folder).resolve() for folder in sys.argv[1:]))
