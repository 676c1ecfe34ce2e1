"""Execute notebooks in place and keep their outputs: `python tools/run_notebooks.py [NOTEBOOK ...]`.

Without arguments every notebook under nbs/ runs, in reading order. nbdev's `eval: false` is honoured, slow cells do
run, each notebook has a process and a kernel of its own, and after a module notebook its module is exported, so that
the next notebook imports what this one says. A notebook is written only when all of its cells ran, already cleaned.
"""
import multiprocessing as mp
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"


def reading_order() -> list[Path]:
    """Module notebooks by number, then the tutorials by number, then the report and the front page."""
    modules = sorted(NBS.glob("[0-9]*.ipynb"))
    tutorials = sorted((NBS / "tutorials").glob("[0-9]*.ipynb"))
    return modules + tutorials + [NBS / "report.ipynb", NBS / "index.ipynb"]


def execute(path: Path) -> None:
    """Run one notebook from a fresh kernel, then clean, write and export it; raise at the first error."""
    sys.path.insert(0, str(ROOT))
    os.environ["OMP_NUM_THREADS"] = "1"  # the last bits of a sum depend on the number of threads
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell
    from nbdev.clean import clean_nb
    from nbdev.export import nb_export
    from nbdev.process import extract_directives

    if path.parent == NBS and path.name[0].isdigit():
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
        print(f"{path.relative_to(ROOT)}: {verdict} ({time.perf_counter() - start:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
