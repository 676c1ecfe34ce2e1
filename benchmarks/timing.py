"""How the benchmarks time, and where they keep what they find."""
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_name("speed.json")


def seconds(function: Callable, *arguments) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def in_turn(functions: list[Callable], repeats: int, enough: float = 60.0) -> np.ndarray:
    """Return wall times (repeats, K) of K functions.

    They are called in turn, so that a machine that slows down slows all of them. After so many
    seconds that are enough no further turn begins; there are two at least, if two are wanted.
    """
    times, start = [], time.perf_counter()
    while len(times) < repeats:
        if len(times) >= 2 and time.perf_counter() - start >= enough:
            break
        times.append([seconds(f) for f in functions])
    return np.array(times)


def spread(values) -> list[float]:
    """Smallest, median and largest."""
    return [float(q) for q in np.quantile(np.asarray(values, float), [0, 0.5, 1])]


def compared(what: str, against: str, target: tuple, ours, theirs, *, agree: bool,
             quantity: str = "ratio", unit: str = "s", numbers: dict | None = None,
             note: str = "") -> dict:
    """Return one row: what was measured on both sides, pair by pair, and the ratio in each pair.

    `target` is (number, "at least") for how many times less we need than they, (number, "at most")
    for how many times more, and with `quantity="ours"` a limit on what we need. `numbers` are
    further results, by name; `agree` is whether both sides came to the same result.
    """
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    less = target[1] == "at least" and quantity == "ratio"
    ratios = theirs / ours if less else ours / theirs
    return {
        "what": what,
        "against": against,
        "target": list(target),
        "quantity": quantity,
        "unit": unit,
        "ratios": spread(ratios),
        "ours": spread(ours),
        "theirs": spread(theirs),
        "pairs": int(ratios.size),
        "agree": bool(agree),
        "numbers": numbers or {},
        "note": note,
    }


def met(row: dict) -> bool:
    """Whether the median reaches the target."""
    value, limit = row["ratios" if row["quantity"] == "ratio" else "ours"][1], row["target"][0]
    return value >= limit if row["target"][1] == "at least" else value <= limit


def processor() -> str:
    """What the processor calls itself."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line for line in lines if line.startswith("model name"))
        return name.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """The machine and the versions, in words."""
    version = importlib.metadata.version
    parts = [f"{processor()} ({platform.machine()})", f"{os.cpu_count()} cores",
             f"Python {platform.python_version()}", f"PyTorch {version('torch')}",
             f"NumPy {version('numpy')}"]
    return ", ".join(parts)


def rounded(value):
    """The same with three significant digits in every fraction."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.3g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def on_one_line(found: re.Match) -> str:
    """Return a list of JSON on one line."""
    return "[" + re.sub(r",\s+", ", ", found[1]) + "]"


@contextlib.contextmanager
def stored(path: Path = RESULTS) -> Iterator[dict]:
    """Give the results, to be changed; they are written, whole or not at all, at the end."""
    results = json.loads(path.read_text()) if path.exists() else {}
    yield results
    part = path.with_suffix(f".part{os.getpid()}")
    text = json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False)
    part.write_text(re.sub(r"\[\s+([^][{}]*?)\s+\]", on_one_line, text) + "\n")
    os.replace(part, path)


def today() -> str:
    """The date."""
    return datetime.date.today().isoformat()


def number(value: float | None) -> str:
    """A number as one reads it: three digits, no exponent where one can do without."""
    if value is None:
        return "–"
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2g}"
    if not value:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{digits}f}".replace(",", " ")


def amount(value: float | None, unit: str) -> str:
    """A number and its unit; short times in milliseconds."""
    if unit == "s" and value is not None and value < 0.1:
        return f"{number(1e3 * value)} ms"
    return f"{number(value)} {unit}"


def table(results: dict) -> str:
    """The rows as a Markdown table, those that were never run left out."""
    columns = ["row", "this package", "against", "ratio: smallest, median, largest", "target",
               "met"]
    lines = [columns, ["---"] * len(columns)]
    for name, row in results.get("rows", {}).items():
        (limit, sense), unit = row["target"], row["unit"]
        lines.append([
            name,
            f"{row['what']}: {amount(row['ours'][1], unit)}",
            f"{row['against']}: {amount(row['theirs'][1], unit)}",
            ", ".join(number(r) for r in row["ratios"]),
            f"{sense} {number(limit)}{'×' if row['quantity'] == 'ratio' else ' ' + unit}",
            "yes" if met(row) else "no",
        ])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
