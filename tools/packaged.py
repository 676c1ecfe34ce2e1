"""Copy what the package needs of the notebooks into it: `python tools/packaged.py`.

The report of a run is a notebook, nbs/report.ipynb, which `vae_nbdev report` executes; the package
holds a copy without outputs. `make export` writes it.
"""
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, COPY = Path("nbs/report.ipynb"), Path("vae_nbdev/data/report.ipynb")


def stripped(path: Path) -> str:
    """Return a notebook without outputs and counters."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def differences(root: Path = ROOT) -> Iterator[str]:
    """Yield what is wrong with the copy in the package."""
    if not (root / SOURCE).exists():
        yield f"{SOURCE} is missing"
    elif not (root / COPY).exists():
        yield f"{COPY} is missing"
    elif (root / COPY).read_text(encoding="utf-8") != stripped(root / SOURCE):
        yield f"{COPY} is not {SOURCE} without its outputs"


def write(root: Path = ROOT) -> None:
    """Write the copy."""
    (root / COPY).parent.mkdir(parents=True, exist_ok=True)
    (root / COPY).write_text(stripped(root / SOURCE), encoding="utf-8")


if __name__ == "__main__":
    write(*(Path(folder).resolve() for folder in sys.argv[1:]))
