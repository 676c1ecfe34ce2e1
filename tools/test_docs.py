"""Show that `make docs` fails when it should: `python tools/test_docs.py`; `make docs-test`.

A site of a few pages is built with the configuration of the real one; each test breaks one thing in
it, and the build has to fail with a message that says what.
"""
import contextlib
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

from check import ROOT
from test_tools import PIXEL, cell, write_notebook
from verdict import verdict

sys.path.insert(0, str(ROOT / "docs"))
import assemble
from names import home_of

PICTURE = {"image/png": PIXEL, "text/plain": "<Figure>"}
FIGURE = {"output_type": "display_data", "metadata": {}, "data": PICTURE}
LINE = {"output_type": "stream", "name": "stdout", "text": "3.14\n"}
PROMISE = "\n\n> What it is for."
LINKS = ("[A page](00_page.ipynb), [its end](00_page.ipynb#second-thoughts), "
         "[a room](part/11_room.ipynb), [a file](../settings.ini).")
FRONT = [f"# A front page{PROMISE}", LINKS]
PAGE = [f"# A page{PROMISE}", "#| echo: false\n#| fig-alt: One pixel: red.\nshow()",
        "## Second thoughts\n\n$x^2$ and `code`.", "print(3.14)", "assert True\n" * 6]
ROOM = [f"# A room{PROMISE}", "[A page](../00_page.ipynb), [a story](../tutorials/01_story.ipynb)."]
OUTPUTS = {1: [FIGURE], 3: [LINE]}
GALLERY = "[00_page]\nOne pixel = A pixel\n"


def build(root: Path, front: list[str], page: list[str], outputs: dict[int, list],
          name: str = "00_page", face: str = "part/10_face", gallery: str = "") -> tuple[int, str]:
    """Build a site of few notebooks; return the exit status and what was said."""
    shutil.copy(ROOT / "settings.ini", root / "settings.ini")
    (root / "docs").mkdir()
    (root / "docs/gallery.ini").write_text(gallery)
    pages = {"index": front, name: page, face: [f"# A part{PROMISE}"], "part/11_room": ROOM,
             "part/9_hall": [f"# A hall{PROMISE}"], "tutorials/01_story": [f"# A story{PROMISE}"]}
    for path, sources in pages.items():
        found = outputs if path == name else {}
        cells = [cell(source, i, found.get(i)) for i, source in enumerate(sources)]
        write_notebook(root / f"nbs/{path}.ipynb", cells)
    try:
        assemble.assemble(root, root / "source")
    except ValueError as error:
        return 1, str(error)
    said = io.StringIO()
    options = ["-q", "-W", "--keep-going", "-E", "-n", "-b", "html", "-D", "html_static_path="]
    folders = [str(ROOT / "docs"), "-d", *(str(root / f) for f in ("doctrees", "source", "html"))]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        status = sphinx_build([*options, "-c", *folders])
    return status, re.sub(r"\x1b\[[\d;]*m", "", said.getvalue())


def with_page(number: int, source: str) -> dict:
    """Return what to build when one cell of the page has another source."""
    return {"page": [source if i == number else old for i, old in enumerate(PAGE)]}


def with_front(source: str) -> dict:
    """Return what to build when the front page has one more paragraph."""
    return {"front": [*FRONT, source]}


BREAKAGES = {  # what is broken → how, and what has to be said
    "a wrong cross-reference": (
        with_front("# B\n\n{py:func}`vae_nbdev.nothing`"),
        "reference target not found: vae_nbdev.nothing",
    ),
    "a page that is not there": (with_front("# B\n\n{doc}`/nowhere`"), "unknown document"),
    "an unknown directive": (
        with_page(3, "#| foldd\nprint(3.14)"),
        "nbs/00_page.ipynb, cell 4: unknown directive `#| foldd`",
    ),
    "a directive that needs true or false": (
        with_page(3, "#| echo: perhaps\nprint(3.14)"),
        "cell 4: `#| echo: perhaps` needs true or false",
    ),
    "a directive below the code": (
        with_page(3, "print(3.14)\n#| hide"),
        "cell 4: `#| hide` stands below the code",
    ),
    "an unknown directive in prose": (
        with_front("# B\n\n```{nonsense}\n```"),
        "Unknown directive type",
    ),
    "a missing alt text": (with_page(1, "show()"), "nbs/00_page.ipynb, cell 2: a figure needs"),
    "a missing alt text in a folder": (
        with_page(1, "show()") | {"name": "part/00_page", "front": FRONT[:1]},
        "nbs/part/00_page.ipynb, cell 2: a figure needs",
    ),
    "an empty alt text": (with_page(1, "#| fig-alt:\nshow()"), "cell 2: a figure needs"),
    "two figures with one alt text": (
        {"outputs": OUTPUTS | {1: [FIGURE, FIGURE]}},
        "cell 2: a figure needs",
    ),
    "a link to a notebook that is not there": (
        with_front("[gone](01_gone.ipynb)"),
        "01_gone.ipynb",
    ),
    "a link to a notebook that moved": (with_front("[moved](11_room.ipynb)"), "11_room.ipynb"),
    "a link to a file that is not there": (with_front("[gone](../tools/gone.py)"), "gone.py"),
    "a link to a place that is not there": (
        with_front("[gone](00_page.ipynb#third-thoughts)"),
        "third-thoughts",
    ),
    "a page that nothing leads to": ({"name": "page", "front": FRONT[:1]}, "toctree"),
    "a folder without a face": ({"face": "part/10_part"}, "toctree"),
    "a gallery of a notebook that is not there": (
        {"gallery": "[00_gone]\nOne pixel = A pixel\n"},
        "0 figures of nbs/00_gone.ipynb have a text that begins with 'One pixel'",
    ),
    "a gallery of a figure that is not there": (
        {"gallery": "[00_page]\nTwo pixels = Pixels\n"},
        "begins with 'Two pixels'; its figures are ['One pixel: red.']",
    ),
    "a gallery of a hidden cell": (
        with_page(1, "#| hide\n#| fig-alt: One pixel: red.\nshow()") | {"gallery": GALLERY},
        "0 figures of nbs/00_page.ipynb have a text that begins with 'One pixel'",
    ),
}


def contents_of(page: Path) -> list:
    """Return the sidebar of a page: captions, and the level and the address of each entry."""
    sidebar = re.search(r'<div class="sidebar-tree">.*?\n</div>', page.read_text(), re.DOTALL)[0]
    entries = re.findall(r'caption-text">([^<]+)|toctree-l(\d)[^>]*><a[^>]*href="([^"]+)"', sidebar)
    return [caption or (int(level), address) for caption, level, address in entries]


def look(html: Path) -> dict[str, str]:
    """Return what is wrong with a site that was built, in words; nothing if all is right."""
    shown = re.findall(r'<img[^>]* alt="([^"]*)"', (html / "00_page.html").read_text())
    sources = re.findall(r'<img[^>]* src="(_images/[^"]*)"', (html / "00_page.html").read_text())
    closed = [
        "The story",
        (1, "tutorials/01_story.html"),
        "Pictures and help",
        (1, "gallery.html"),
        "How the package works",
        (1, "package.html"),
        (1, "api/index.html"),
    ]
    git_url = assemble.settings()["git_url"]
    owner = git_url.removeprefix("https://github.com/")
    gallery = (html / "gallery.html").read_text()
    opened = [(1, "../package.html"), (2, "10_face.html"), (3, "9_hall.html"), (3, "#")]
    inside = contents_of(html / "part/11_room.html")
    listed = re.findall(r'<td><p><a [^>]*href="([^"]+)"', (html / "part/10_face.html").read_text())
    checks = {
        "the alt text is in the page": (shown, ["One pixel: red."]),
        "the figure is there": ([(html / src).is_file() for src in sources], [True]),
        "the gallery shows the figure and leads to its cell": (
            re.findall(r'href="([^"]*)">(?:<span[^>]*>)?<img alt="([^"]*)"', gallery),
            [("00_page.html#figure-cell-1", "One pixel: red.")],
        ),
        "the cell has a place to lead to": (
            re.findall(r'id="(figure-[^"]+)"', (html / "00_page.html").read_text()),
            ["figure-cell-1"],
        ),
        "a cell of assertions is folded": (
            (html / "00_page.html").read_text().count("Show the code"),
            1,
        ),
        "a page says where its source is and opens in Colab": (
            re.findall(r'href="(https://\S*00_page.ipynb)"', (html / "00_page.html").read_text()),
            [
                f"{git_url}/blob/main/nbs/00_page.ipynb",
                f"https://colab.research.google.com/github/{owner}/blob/main/nbs/00_page.ipynb",
            ],
        ),
        "the page of all notebooks leads to the story and to the parts": (
            re.findall(r'<td><p><a [^>]*href="([^"]+)"', (html / "package.html").read_text()),
            ["tutorials/01_story.html", "00_page.html", "part/10_face.html"],
        ),
        "the sidebar has the story first, then the package, closed": (
            contents_of(html / "index.html"),
            closed,
        ),
        "a folder is open on its pages": ([e for e in inside if e in opened], opened),
        "a face leads to its notebooks": (listed, ["9_hall.html", "11_room.html"]),
    }
    return {what: "" if have == want else f"{have}" for what, (have, want) in checks.items()}


def test_reference(root: Path) -> dict[str, str]:
    """Return what is wrong with the pages of the reference; nothing if all is right."""
    for module, notebook in {"low": "../nbs/00_low", "part/high": "../../nbs/part/11_high",
                             "part/__init__": "../../nbs/part/10_face", "_modidx": "x"}.items():
        path = root / f"vae_nbdev/{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# AUTOGENERATED! DO NOT EDIT! File to edit: {notebook}.ipynb.\n")
    for notebook in ("00_low", "part/11_high"):
        write_notebook(root / f"nbs/{notebook}.ipynb", [cell(f"# A{PROMISE}", 0)])
    (root / "vae_nbdev/__init__.pyi").write_text("from . import low\nfrom .part.high import area\n")
    (root / "source/api").mkdir(parents=True)
    pages = assemble.write_reference(root, root / "source")
    index = (root / "source/api/index.md").read_text()
    checks = {
        "a module in a folder has a page": (
            pages,
            {"00_low": "api/low", "part/11_high": "api/part.high"},
        ),
        "its page documents it": (
            ".. automodule:: vae_nbdev.part.high"
            in (root / "source/api/part.high.rst").read_text(),
            True,
        ),
        "public names are listed": ("`low`, `area`" in index, True),
        "public names are known": (
            assemble.public_names(root),
            {"low": "vae_nbdev.low", "area": "vae_nbdev.part.high.area"},
        ),
        "a page knows its module": (
            [home_of(name) for name in ("00_low", "part/11_high", "api/part.high")],
            ["low", "part.high", "part.high"],
        ),
    }
    return {what: "" if have == want else f"{have}" for what, (have, want) in checks.items()}


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    good = {"front": FRONT, "page": PAGE, "outputs": OUTPUTS}
    two = with_page(1, '#| fig-alt: ["One: pixel", "Another"]\nshow()')
    two |= {"outputs": OUTPUTS | {1: [FIGURE, FIGURE]}}
    with tempfile.TemporaryDirectory() as folder:
        results = test_reference(Path(folder).resolve())
    for what, (change, message) in {
        "nothing": ({"gallery": GALLERY}, ""),
        "two alt texts": (two, ""),
        **BREAKAGES,
    }.items():
        with tempfile.TemporaryDirectory() as folder:
            status, said = build(Path(folder).resolve(), **{**good, **change})
            right = status != 0 and message in said if message else status == 0
            results[what] = "" if right else f"exit status {status}; {said.strip() or 'silence'}"
            if what == "nothing":
                results |= look(Path(folder) / "html")
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
