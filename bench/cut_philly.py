"""Extract the busiest day from the Philly job trace, as `philly_busy_day.csv.gz` was made.

    python -m bench.cut_philly philly.csv exchange/data/philly_busy_day.csv.gz

The input has the columns timestamp, duration (s), num_gpus, gpu_time (GPU-seconds), cluster, as
republished by pkusys/ElasticFlow from msr-fiddle/philly-traces (CC-BY-4.0). Kept are the jobs of
the day with the most jobs, and all jobs of those virtual clusters that ran fewer than ten in the
whole trace (18 jobs of four clusters, none of them on that day), so that all fifteen take part.
Rows are ordered by time of day, then as in the input; nothing in them is changed.
"""

import collections
import csv
import gzip
import io
import sys
from pathlib import Path

RARE_JOBS_MAX = 9


def cut(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows to keep, by time of day."""
    days = collections.Counter(row["timestamp"][:10] for row in rows)
    busiest, _ = max(days.items(), key=lambda day: (day[1], day[0]))
    jobs = collections.Counter(row["cluster"] for row in rows)
    kept = [
        row
        for row in rows
        if row["timestamp"][:10] == busiest or jobs[row["cluster"]] <= RARE_JOBS_MAX
    ]
    return sorted(kept, key=lambda row: row["timestamp"][11:])


def main(source: str, target: str) -> None:
    """Write the kept rows of `source` to `target`; the same input gives the same bytes."""
    with Path(source).open(newline="", encoding="utf-8") as file:
        rows = cut(list(csv.DictReader(file)))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    Path(target).write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    print(f"{len(rows)} jobs -> {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
