"""Jobs of a GPU cluster, read from a trace: the real demand of a generated day."""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from exchange.definition.toml_file import BadFile

PHILLY_PATH = Path(__file__).parents[1] / "data" / "philly_busy_day.csv.gz"
"""The busiest day of the Philly trace; data/README.md gives its source and licence."""

COLUMNS = ("timestamp", "duration", "num_gpus", "gpu_time", "cluster")
DURATION_MAX_S = 400 * 86_400
GPUS_MAX = 100_000


@dataclass(frozen=True)
class Jobs:
    """One array element a job, in order of arrival; `cluster` is an index into `clusters`."""

    arrival_s: npt.NDArray[np.int64]  # since midnight, by the clock of the trace
    duration_s: npt.NDArray[np.int64]
    gpus: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    clusters: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.arrival_s)


def read_jobs(path: str | Path | None = None, day: date | None = None) -> Jobs:
    """The jobs of a trace (.csv or .csv.gz), sorted by time of day; with `day`, only of that day.

    Without a path, reads the trace that comes with the package. The columns are timestamp
    (YYYY-MM-DD HH:MM:SS), duration (s), num_gpus, gpu_time, cluster. Raises BadFile, with the
    file, the line and the rule, if the trace cannot be used.
    """
    path = PHILLY_PATH if path is None else Path(path)
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    if tuple(next(reader, ())) != COLUMNS:
        raise BadFile(f"{path}: line 1: the columns must be {','.join(COLUMNS)}")
    rows = []
    for row in reader:
        try:
            job = _job(row)
        except ValueError as error:
            raise BadFile(f"{path}: line {reader.line_num}: {error}") from None
        if day is None or job[0] == day:
            rows.append(job[1:])
    if not rows:
        raise BadFile(f"{path}: has no jobs{f' on {day}' if day else ''}")
    rows.sort(key=lambda job: job[0])
    clusters = tuple(sorted({job[3] for job in rows}))
    numbers = {name: number for number, name in enumerate(clusters)}
    return Jobs(
        arrival_s=np.array([job[0] for job in rows], np.int64),
        duration_s=np.array([job[1] for job in rows], np.int64),
        gpus=np.array([job[2] for job in rows], np.int64),
        cluster=np.array([numbers[job[3]] for job in rows], np.int64),
        clusters=clusters,
    )


def _text(path: Path) -> str:
    try:
        blob = path.read_bytes()
        if path.suffix == ".gz":
            blob = gzip.decompress(blob)
        return blob.decode("utf-8")
    except (EOFError, OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadFile(f"{path}: cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: is not UTF-8 at byte {error.start}") from None


def _job(row: list[str]) -> tuple[date, int, int, int, str]:
    """Day, second of the day, duration, GPUs and cluster of a row; ValueError names a bad field."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"must have {len(COLUMNS)} fields, has {len(row)}")
    try:
        moment = datetime.strptime(row[0], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise ValueError(f"`timestamp` must be YYYY-MM-DD HH:MM:SS, got {row[0][:40]!r}") from None
    try:
        duration_s, gpus = int(float(row[1])), int(row[2])
    except (ValueError, OverflowError):
        raise ValueError("`duration` and `num_gpus` must be numbers") from None
    if not 0 <= duration_s <= DURATION_MAX_S:
        raise ValueError(f"`duration` must be 0 to {DURATION_MAX_S} s, got {duration_s}")
    if not 1 <= gpus <= GPUS_MAX:
        raise ValueError(f"`num_gpus` must be 1 to {GPUS_MAX}, got {gpus}")
    second = moment.hour * 3_600 + moment.minute * 60 + moment.second
    return moment.date(), second, duration_s, gpus, row[4]
