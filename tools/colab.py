"""Let every notebook install the package where Colab opens it: `python tools/colab.py`.

The first cell that runs does so, and does nothing elsewhere; the site hides it. The report of a run
has no such cell, because it is opened where the package is. `make export` writes these cells.
"""
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "docs"))
from assemble import settings

ROOT = Path(__file__).resolve().parent.parent
REPORT = Path("nbs/report.ipynb")
SOURCE = """#| hide
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+{git_url}")"""


def completed(text: str, git_url: str) -> str:
    """Return a notebook with this cell behind its title and its `#| default_exp`."""
    notebook = json.loads(text)
    cells = [cell for cell in notebook["cells"] if cell["id"] != "colab"]
    new = {"cell_type": "code", "execution_count": None, "id": "colab", "metadata": {},
           "outputs": [], "source": SOURCE.format(git_url=git_url).splitlines(keepends=True)}
    at = 2 if any("default_exp" in "".join(cell["source"]) for cell in cells[:2]) else 1
    notebook["cells"] = [*cells[:at], new, *cells[at:]]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def changes(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield the notebooks whose cell is missing or another, and what they should hold."""
    git_url = settings(root)["git_url"]
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        if path.relative_to(root) == REPORT or ".ipynb_checkpoints" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if (new := completed(text, git_url)) != text:
            yield path, new


def write(root: Path = ROOT) -> None:
    """Write the cells."""
    for path, text in changes(root):
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(*(Path(folder).resolve() for folder in sys.argv[1:]))
