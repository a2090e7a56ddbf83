"""A folder of `skaprof latency --output FILE.jsonl` results as a page: python scripts/latency_report.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from skaprof.bench.store import read
from skaprof.report.formats import to_markdown
from skaprof.report.latency import interval_text
from skaprof.report.numbers import significant

STAMPED = ("skaprof", "python", "torch", "device", "cpu", "cpu_cores", "threads", "cuda", "cudnn", "driver", "tf32")


def shown(row: dict[str, Any]) -> dict[str, str]:
    """One line of the table."""
    size = {
        "grid": f"{row['height']} x {row['width']}",
        "dim": str(row["dim"]),
        "batch": str(row["batch"]),
        "dtype": row["dtype"],
        "mode": row["mode"],
        "timing": row["timing"],
        "mixer": row["mixer"],
        "implementation": row["implementation"],
    }
    if row["median_ms"] is None:
        figures = {"median (ms)": "", "95 % CI": "", "ratio": "", "ratio 95 % CI": ""}
        return {**size, **figures, "verdict": row["verdict"], "rounds": "", "flags": str(row["error"])}
    ratio_interval = "" if row["ratio_low"] is None else f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"
    return {
        **size,
        "median (ms)": significant(row["median_ms"]),
        "95 % CI": interval_text(row),
        "ratio": f"{row['ratio']:.3f}",
        "ratio 95 % CI": ratio_interval,
        "verdict": row["verdict"],
        "rounds": str(row["rounds"]),
        "flags": ", ".join(row["flags"]),
    }


def main(folder: Path) -> None:
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        sys.exit(f"latency_report: no .jsonl file in {folder}")
    runs = [read(path) for path in files]
    environment = runs[0][0]["environment"]
    stamp = "".join(f"- {key}: {environment[key]}\n" for key in STAMPED if environment.get(key) is not None)
    commands = "".join(f"- `{head['command']}`\n" for head, *_ in runs)
    rows = [shown(row) for _, rows, *_ in runs for row in rows]
    page = (
        f"# Latency on {environment['device']}\n\nMeasured with `skaprof latency`; the protocol is in docs/timing.md. "
        "Ratios are over mhsa (eager) of the same size and timing. A run that time ended before 8 rounds has no "
        f"interval and no verdict.\n\n{''.join(to_markdown(rows))}\n## Environment\n\n{stamp}\n"
        f"## Commands\n\n{commands}"
    )
    (folder / "report.md").write_text(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
