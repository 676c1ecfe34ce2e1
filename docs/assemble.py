"""Lay out the sources of the site in docs/_build/source: `python docs/assemble.py`.

It runs before Sphinx. Notebooks keep their place below nbs/, so nbs/index.ipynb becomes the front
page; beside them stand the pages of docs/, CONTRIBUTING and CHANGELOG, and one page of reference
for every module. The face of a folder, NN_face.ipynb, becomes the page that leads to its
notebooks, and docs/gallery.ini becomes a page of pictures. Every notebook is a page and finds its
own place in the sidebar; only the pages of START and LOOK_UP are named here. Links are written as
they are true in the repository, and turned here into links between pages.
"""
import ast
import base64
import configparser
import io
import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vae_nbdev"

REFERENCE = """{title}
{line}

Explained and tested in its notebook, :doc:`/{notebook}`.

.. automodule:: {module}
   :members:
"""

NOTE = """```{{container}} notebook-note
{links}. `make lab` opens this notebook in Jupyter, where every cell can be changed and run \
again.{reference}
```"""

GALLERY = """# Gallery

> What the notebooks draw. Each picture leads to the cell that draws it.

```{{container}} gallery
{pictures}
```
"""

PACKAGE_PAGE = """# All notebooks

> The story in its order, and the parts of the package, each of which builds on those above it

## The story

{story}

## The parts of the package

{parts}

{toctree}
"""

# what the sidebar shows first, and what it shows after the story
START = ["get_started", "tutorials/08_your_own_curves", "tutorials/07_a_real_galaxy", "explorer"]
LOOK_UP = ["gallery", "tutorials/14_when_something_is_wrong", "tutorials/09_when_things_go_wrong"]
# the tutorials that stand elsewhere than their number says: behind which other one
BEHIND = {"tutorials/13_why_a_bound": "tutorials/02_variational_autoencoder"}
THUMBNAIL = (480, 320)  # pixels
HIDDEN = re.compile(r"^#\|\s*(hide|hide_output|(include|output):\s*false)\s*$", re.MULTILINE)


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


def notebook_note(file: str, git_url: str, reference: str) -> str:
    """Return the note on a notebook's page: where its source is, and how to run it."""
    links = [f"[Source]({git_url}/blob/main/{file})"]
    host, _, repository = git_url.partition("github.com/")
    if host == "https://":
        address = f"https://colab.research.google.com/github/{repository}/blob/main/{file}"
        links.append(f"[Open in Colab]({address})")
    if reference:
        reference = f" The same names in the reference: {{doc}}`/{reference}`."
    return NOTE.format(links=" · ".join(links), reference=reference)


def complete(notebook: str, note: str, contents: str, figures: list[str]) -> str:
    """Return a notebook with a note below its title and promise, contents at its end, and an anchor
    at each cell that draws a figure of the gallery.
    """
    nb = json.loads(notebook)
    for cell in nb["cells"]:
        if cell.get("id") in figures:
            cell["metadata"]["anchor"] = f"figure-{cell['id']}"
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


def find_figures(path: Path) -> dict[str, tuple[str, bytes]]:
    """Return the figures that a notebook shows: text → id of the cell, and the PNG."""
    figures = {}
    for cell in json.loads(path.read_text())["cells"] if path.exists() else []:
        source = "".join(cell["source"])
        pictures = [output.get("data", {}).get("image/png") for output in cell.get("outputs", [])]
        text = re.search(r"#\|\s*fig-alt:\s*(.+)", source)
        if text and any(pictures) and not HIDDEN.search(source):
            texts = json.loads(text[1]) if text[1].startswith("[") else [text[1].strip("\"' ")]
            first = next(filter(None, pictures))
            figures[texts[0]] = cell["id"], base64.b64decode("".join(first))
    return figures


def write_gallery(root: Path, source: Path) -> dict[str, list[str]]:
    """Write the page of pictures that docs/gallery.ini lists, each a link to the cell that draws
    it; return notebook → cells. ValueError if a picture is not there.
    """
    listed = configparser.ConfigParser(delimiters=["="], interpolation=None)
    listed.optionxform = str
    listed.read(root / "docs/gallery.ini", encoding="utf-8")
    lines, cells = [], {notebook: [] for notebook in listed.sections()}
    for notebook, (start, title) in [(n, item) for n in cells for item in listed[n].items()]:
        figures = find_figures(root / "nbs" / f"{notebook}.ipynb")
        found = [text for text in figures if text.startswith(start)]
        if len(found) != 1:
            raise ValueError(
                f"docs/gallery.ini: {len(found)} figures of nbs/{notebook}.ipynb have a text that"
                f" begins with {start!r}; its figures are {list(figures)}"
            )
        name, png = figures[found[0]]
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        picture.thumbnail(THUMBNAIL)
        (source / "gallery").mkdir(exist_ok=True)
        picture.save(source / f"gallery/{name}.webp", quality=70, method=6)
        text = re.sub(r"([\[\]\\*_`$])", r"\\\1", found[0])
        lines += [f"[![{text}](gallery/{name}.webp) {title}](#figure-{name})", ""]
        cells[notebook].append(name)
    if lines:
        (source / "gallery.md").write_text(GALLERY.format(pictures="\n".join(lines)))
    return cells


def write_package(root: Path, source: Path, story: list[str], parts: list[str]) -> None:
    """Write the page that lists all notebooks; the parts of the package stand below it in the
    sidebar.
    """
    tables = [table(root, "notebook", [(f"{{doc}}`/{name}`", name) for name in names])
              for names in (story, parts)]
    page = PACKAGE_PAGE.format(story=tables[0], parts=tables[1], toctree=toctree(parts))
    (source / "package.md").write_text(page)


def find_contents(root: Path, source: Path, names: list[str]) -> dict[str, str]:
    """Return what to add to a page to lead on to others: page → Markdown. The page of all notebooks
    is written.
    """
    picked = START + LOOK_UP
    markdown = [n for n in names if (root / "docs" / f"{n}.md").exists() and n not in picked]
    tutorials = sorted(n for n in names if n.startswith("tutorials/"))
    for page, other in BEHIND.items():
        if {page, other} <= set(tutorials):
            tutorials.remove(page)
            tutorials.insert(tutorials.index(other) + 1, page)
    parts = [n for n in names if re.match(r"\d+_|report$", n) or is_face(n)]
    parts = sorted(parts, key=number)
    write_package(root, source, tutorials, parts)
    story = [n for n in tutorials if n not in picked] + markdown
    start, look_up, project = ([n for n in wanted if n in names]
                               for wanted in (START, LOOK_UP, ["contributing", "changelog"]))
    sections = [toctree(start, "Start here"), toctree(story, "The story"),
                toctree(look_up, "Pictures and help"),
                toctree(["package", "api/index", *project], "How the package works")]
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
    gallery = write_gallery(root, source)
    names = [name.rpartition(".")[0] for name in written] + ["gallery"] * bool(gallery)
    contents = find_contents(root, source, names)

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
            note = notebook_note(file, git_url, reference.get(stem, "")) * (stem != "index")
            text = complete(text, note, contents.get(stem, ""), gallery.get(stem, []))
        to.write_text(text)


if __name__ == "__main__":
    assemble(*(Path(folder).resolve() for folder in sys.argv[1:]))
