"""Execute notebooks in place and keep their outputs.

`python tools/run_notebooks.py [NOTEBOOK ...]`: without arguments every notebook under nbs/ runs, in
reading order. nbdev's `eval: false` is honoured, slow cells do run, and each notebook has a process
and a kernel of its own. A notebook of the package is exported before it runs, so that it and those
after it import what it says. A notebook is written only when all of its cells ran, already cleaned.
"""
import multiprocessing as mp
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"


def is_module(path: Path, nbs: Path = NBS) -> bool:
    """Return whether a notebook is exported: it has a number, and is not of the story."""
    return path.name[0].isdigit() and nbs / "tutorials" not in path.parents


def reading_order(nbs: Path = NBS) -> list[Path]:
    """Return modules by number over all folders, then the story, the report, the front page."""
    modules = [path for path in nbs.rglob("[0-9]*.ipynb") if is_module(path, nbs)]
    modules.sort(key=lambda path: int(re.match(r"\d+", path.name)[0]))
    story = sorted((nbs / "tutorials").glob("[0-9]*.ipynb"))
    return [*modules, *story, nbs / "report.ipynb", nbs / "index.ipynb"]


def execute(path: Path) -> None:
    """Export one notebook, run it from a fresh kernel, clean and write it; raise at an error."""
    sys.path.insert(0, str(ROOT))
    os.environ["OMP_NUM_THREADS"] = "1"  # the last bits of a sum depend on the number of threads
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell
    from nbdev.clean import clean_nb
    from nbdev.export import nb_export
    from nbdev.process import extract_directives

    if is_module(path):
        os.chdir(ROOT)
        nb_export(path, lib_path=ROOT / "vae_nbdev")
    os.chdir(path.parent)
    nb = read_nb(path)
    shell = CaptureShell(path, mpl_format="png")

    def skipped(cell) -> bool:
        if cell.cell_type != "code":
            return True
        cell.outputs = []
        directives = extract_directives(cell, remove=False, lang="python")
        return directives.get("eval:", [""])[0].lower() == "false"

    shell.run_all(nb, exc_stop=True, preproc=skipped)
    for cell in nb.cells:
        cell.pop("idx_", None)
    clean_nb(nb)
    write_nb(nb, path)


def main(names: list[str]) -> int:
    """Run the notebooks named, or all of them; return the number that failed."""
    failed = 0
    for path in [Path(n).resolve() for n in names] or reading_order():
        start = time.perf_counter()
        process = mp.get_context("spawn").Process(target=execute, args=(path,))
        process.start()
        process.join()
        failed += process.exitcode != 0
        verdict = "ok" if process.exitcode == 0 else "FAILED, left as it was"
        print(
            f"{path.relative_to(ROOT)}: {verdict} ({time.perf_counter() - start:.0f} s)", flush=True
        )
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
