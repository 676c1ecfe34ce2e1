"""Show that `make docs` fails when it should: `python tools/test_docs.py`; `make docs-test`.

A site of two pages is built with the configuration of the real one; each test breaks one thing in it, and the build has
to fail with a message that says what.
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
import assemble  # noqa: E402  (needs the path above)

FIGURE = {"output_type": "display_data", "metadata": {}, "data": {"image/png": PIXEL, "text/plain": "<Figure>"}}
LINE = {"output_type": "stream", "name": "stdout", "text": "3.14\n"}
FRONT = ["# A front page\n\n> What it is for.", "[A page](00_page.ipynb), [a place](00_page.ipynb#second-thoughts), [a file](../settings.ini)."]
PAGE = ["# A page\n\n> What it is for.", "#| echo: false\n#| fig-alt: One pixel: red.\nshow()", "## Second thoughts\n\n$x^2$ and `code`.", "print(3.14)"]
OUTPUTS = {1: [FIGURE], 3: [LINE]}


def build(root: Path, front: list[str], page: list[str], outputs: dict[int, list], name: str = "00_page") -> tuple[int, str]:
    """Build a site of two notebooks; return the exit status and what was said."""
    shutil.copy(ROOT / "settings.ini", root / "settings.ini")
    write_notebook(root / "nbs/index.ipynb", [cell(source, i) for i, source in enumerate(front)])
    write_notebook(root / f"nbs/{name}.ipynb", [cell(source, i, outputs.get(i)) for i, source in enumerate(page)])
    assemble.assemble(root, root / "source")
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        status = sphinx_build(["-q", "-W", "--keep-going", "-E", "-n", "-b", "html", "-D", "html_static_path=", "-c", str(ROOT / "docs"),
                               "-d", str(root / "doctrees"), str(root / "source"), str(root / "html")])
    return status, re.sub(r"\x1b\[[\d;]*m", "", said.getvalue())


def with_page(number: int, source: str) -> dict:
    """Return what to build when one cell of the page has another source."""
    return {"page": [source if i == number else old for i, old in enumerate(PAGE)]}


def with_front(source: str) -> dict:
    """Return what to build when the front page has one more paragraph."""
    return {"front": [*FRONT, source]}


BREAKAGES = {  # what is broken → how, and what has to be said
    "a wrong cross-reference": (with_front("# B\n\n{py:func}`vae_nbdev.nothing`"), "reference target not found: vae_nbdev.nothing"),
    "a page that is not there": (with_front("# B\n\n{doc}`/nowhere`"), "unknown document"),
    "an unknown directive": (with_page(3, "#| foldd\nprint(3.14)"), "nbs/00_page.ipynb, cell 4: unknown directive `#| foldd`"),
    "a directive that needs true or false": (with_page(3, "#| echo: perhaps\nprint(3.14)"), "cell 4: `#| echo: perhaps` needs true or false"),
    "a directive below the code": (with_page(3, "print(3.14)\n#| hide"), "cell 4: `#| hide` stands below the code"),
    "an unknown directive in prose": (with_front("# B\n\n```{nonsense}\n```"), "Unknown directive type"),
    "a missing alt text": (with_page(1, "show()"), "nbs/00_page.ipynb, cell 2: a figure needs"),
    "an empty alt text": (with_page(1, "#| fig-alt:\nshow()"), "cell 2: a figure needs"),
    "two figures with one alt text": ({"outputs": OUTPUTS | {1: [FIGURE, FIGURE]}}, "cell 2: a figure needs"),
    "a link to a notebook that is not there": (with_front("[gone](01_gone.ipynb)"), "01_gone.ipynb"),
    "a link to a file that is not there": (with_front("[gone](../tools/gone.py)"), "gone.py"),
    "a link to a place that is not there": (with_front("[gone](00_page.ipynb#third-thoughts)"), "third-thoughts"),
    "a page that nothing leads to": ({"name": "page"}, "toctree"),
}


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    results, good = {}, {"front": FRONT, "page": PAGE, "outputs": OUTPUTS}
    for what, (change, message) in {"nothing": ({}, ""), "two figures with two alt texts": (
            with_page(1, '#| fig-alt: ["One: pixel", "Another"]\nshow()') | {"outputs": OUTPUTS | {1: [FIGURE, FIGURE]}}, ""), **BREAKAGES}.items():
        with tempfile.TemporaryDirectory() as folder:
            status, said = build(Path(folder).resolve(), **{**good, **change})
            right = status != 0 and message in said if message else status == 0
            results[what] = "" if right else f"exit status {status}; {said.strip() or 'silence'}"
            if what == "nothing":
                shown = re.findall(r'<img[^>]* alt="([^"]*)"', (Path(folder) / "html/00_page.html").read_text())
                results["the alt text is in the page"] = "" if shown == ["One pixel: red."] else f"alt texts {shown}"
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
