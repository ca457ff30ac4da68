"""Metering: suppliers ask for their dispatch notices, and report what their meters read.

Notices stand in `delivery/DAY.notices.json`, which `deliver notices --to` writes; a file that has
changed is read again. Readings go to `delivery/DAY.readings.csv`, durable before they are answered,
and are settled from there. Both outlive the venue's process and its trading day. A reading is
checked by the rules of the books (`ledger.delivery.meter_files`), at the venue's time.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec

from exchange.definition.file_names import DELIVERY_FOLDER
from feeds.protocol.delivery_messages import (
    NOTICES_MAX,
    MeterAnswer,
    MeterAnswers,
    MeterReading,
    MeterReadings,
    MeterReason,
    NoticeBlock,
    NoticeChip,
    NoticeLine,
    Notices,
    NoticesRequest,
)
from ledger.books.errors import LedgerError
from ledger.delivery.dispatch_notices import SUFFIX, NoticesFile, read_notices
from ledger.delivery.dispatch_notices import NoticeLine as FileLine
from ledger.delivery.meter_files import COLUMNS, Line, MeterValidator, Refused
from ledger.delivery.meter_files import Metering as MeterLine
from ledger.delivery.meter_readings import READINGS_SUFFIX, ReadingsFile, Row
from matching.records import NANOSECONDS

LOG = logging.getLogger("suanshi.venue")

READINGS_MAX = 1_000
"""Readings of one line of an agreement."""


class _Recorded(NamedTuple):
    """A reading that counts, its session, and the answer to it."""

    columns: tuple[str, ...]  # as COLUMNS names them
    session: str
    answer: MeterAnswer


class _Day:
    """A day of delivery: its notices, and the readings recorded so far."""

    def __init__(self, path: Path, file: NoticesFile) -> None:
        self.notices = file.notices
        self.readings = ReadingsFile(path)
        self.recorded: dict[str, _Recorded] = {}  # by the meter's number
        self.counts: Counter[tuple[str, str]] = Counter()  # readings of each line
        self._metered: Counter[tuple[str, str]] = Counter()
        self._add(self.readings.rows)

    def append(self, rows: list[Row]) -> None:
        """Write readings that count; they are durable when this returns. Raises OSError."""
        self.readings.append(rows)
        self._add(rows)

    def _add(self, rows: list[Row]) -> None:
        for row in rows:
            place = row["agreement"], row["instrument"]
            self.counts[place] += 1
            self._metered[place] += int(row["delivered_millionths"])
            answer = MeterAnswer(
                meter=row["meter"], reason=MeterReason.COUNTED, number=len(self.recorded) + 1,
                delivered_millionths=int(row["delivered_millionths"]),
                metered_millionths=self._metered[place],
            )  # fmt: skip
            columns = tuple(row[name] for name in COLUMNS)
            self.recorded[row["meter"]] = _Recorded(columns, row["session"], answer)


class Metering:
    """Answers the delivery messages of suppliers' sessions."""

    def __init__(self, folder: Path, venue: str) -> None:
        self._folder = folder / DELIVERY_FOLDER
        self._venue = venue
        self._days: dict[str, _Day] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}  # of notices files: change time and inode
        self._deliveries: dict[frozenset[str], _Deliveries] = {}
        self._read_notices()

    def notices(self, request: NoticesRequest, accounts: set[str]) -> Notices:
        """Return the notices of some accounts on a day, from line `request.after` on."""
        self._read_notices()
        day = self._days.get(request.day)
        lines = [
            _notice_line(notice.supplier, each)
            for notice in (day.notices if day else ()) if notice.supplier in accounts
            for each in notice.lines
        ]  # fmt: skip
        part = lines[request.after : request.after + NOTICES_MAX]
        return Notices(day=request.day, lines=part, count=len(lines))

    def record(
        self, message: MeterReadings, accounts: set[str], session: int, now_ns: int
    ) -> MeterAnswers:
        """Check readings of some accounts' deliveries; those that count are durable on return.

        A reading that was recorded before gets its first answer once more. Raises OSError where
        readings cannot be written; sending them again is harmless.
        """
        self._read_notices()
        own = self._deliveries_of(frozenset(accounts))
        new: dict[str, tuple[str, ...]] = {}
        rows: dict[str, list[Row]] = {}
        answers: list[MeterAnswer | bool] = []  # bool: a recorded one; True: repeated
        for reading in message.readings:
            columns = tuple(str(getattr(reading, name)) for name in COLUMNS)
            before = new.get(reading.meter) or self._recorded_columns(reading, own, str(session))
            found = self._check(own, reading, columns, now_ns) if before is None else (
                None if before == columns
                else Refused("DIFFERENT", f"`{reading.meter}` was metered before, differently")
            )  # fmt: skip
            if isinstance(found, Refused):
                reason = MeterReason[found.reason]
                answers.append(MeterAnswer(meter=reading.meter, reason=reason, text=found.text))
                continue
            answers.append(before is not None)
            if found is not None:
                new[reading.meter] = columns
                row = dict(zip(COLUMNS, columns, strict=True)) | {
                    "delivered_millionths": str(found.delivered_millionths),
                    "session": str(session), "time_ns": str(now_ns),
                }  # fmt: skip
                rows.setdefault(own.day_of(reading), []).append(row)
        for day, more in rows.items():
            self._days[day].append(more)
        return MeterAnswers(answers=[
            self._recorded_answer(reading.meter, answer) if isinstance(answer, bool) else answer
            for reading, answer in zip(message.readings, answers, strict=True)
        ])  # fmt: skip

    def close(self) -> None:
        """Close the files of readings."""
        for day in self._days.values():
            day.readings.close()

    def _read_notices(self) -> None:
        """Read notices that are new or have changed; of a file with an error, keep the earlier."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                found = path.stat()
                stamp = found.st_mtime_ns, found.st_ino
                if self._stamps.get(path) == stamp:
                    continue
                self._stamps[path] = stamp
                file = read_notices(path, self._venue)
                if file.day in self._days:
                    self._days[file.day].notices = file.notices
                else:
                    readings = self._folder / f"{file.day}{READINGS_SUFFIX}"
                    self._days[file.day] = _Day(readings, file)
                self._deliveries.clear()
                LOG.info("%s: notices of %d suppliers", path, len(file.notices))
            except (LedgerError, OSError) as error:
                LOG.error("notices cannot be used: %s", error)

    def _deliveries_of(self, accounts: frozenset[str]) -> "_Deliveries":
        if accounts not in self._deliveries:
            self._deliveries[accounts] = _Deliveries(self._days, accounts)
        return self._deliveries[accounts]

    def _check(
        self, own: "_Deliveries", reading: MeterReading, columns: tuple[str, ...], now_ns: int
    ) -> MeterLine | Refused:
        """Return a new reading as the books count it, or the rule that it breaks."""
        found = own.check(reading, columns, now_ns)
        if isinstance(found, Refused):
            return found
        counts = self._days[own.day_of(reading)].counts
        if counts[str(reading.agreement), reading.instrument] >= READINGS_MAX:
            text = f"agreement {reading.agreement} has {READINGS_MAX} readings of this line already"
            return Refused("FULL", text)
        return found

    def _recorded_columns(
        self, reading: MeterReading, own: "_Deliveries", session: str
    ) -> tuple[str, ...] | None:
        """Return the columns recorded under a meter's number, None where there are none.

        Those of another supplier are withheld: they become a tuple that equals no reading.
        """
        for day in self._days.values():
            if (before := day.recorded.get(reading.meter)) is not None:
                is_own = before.session == session or own.has(before.columns)
                return before.columns if is_own else ("",)
        return None

    def _recorded_answer(self, meter: str, repeated: bool) -> MeterAnswer:
        days = self._days.values()
        answer = next(day.recorded[meter].answer for day in days if meter in day.recorded)
        return msgspec.structs.replace(answer, repeated=repeated)


class _Deliveries:
    """The deliveries of some accounts by their notices, and the check of their readings."""

    def __init__(self, days: dict[str, _Day], accounts: frozenset[str]) -> None:
        lines, instruments = {}, set()
        self._places: dict[tuple[int, str], tuple[str, int]] = {}  # day, and start in s
        for name, day in days.items():
            for notice in day.notices:
                instruments |= {each.symbol for each in notice.lines}
                for each in notice.lines if notice.supplier in accounts else ():
                    ratings = {chip.chip: chip.dense_fp16_tflops for chip in each.chips}
                    length_s = each.end_s - each.start_s
                    place = each.agreement, each.symbol
                    lines[place] = Line(0, each.product, length_s, each.waits, ratings)
                    self._places[place] = name, each.start_s
        self._validator = MeterValidator(lines, instruments, {})

    def check(
        self, reading: MeterReading, columns: tuple[str, ...], now_ns: int
    ) -> MeterLine | Refused:
        """Return a new reading as the books count it, or the rule that it breaks."""
        found = self._validator.validate(dict(zip(COLUMNS, columns, strict=True)))
        if isinstance(found, Refused):
            return found
        _, start_s = self._places[reading.agreement, reading.instrument]
        passed_s = max(now_ns // NANOSECONDS - start_s, 0)
        if reading.available_s > passed_s:
            text = f"of {reading.instrument} only {passed_s} s have passed"
            return Refused("EARLY", text)
        return found

    def has(self, columns: tuple[str, ...]) -> bool:
        """Whether a recorded reading is of these deliveries."""
        return (int(columns[1]), columns[2]) in self._places

    def day_of(self, reading: MeterReading) -> str:
        """Return the day of delivery of a reading that counts."""
        return self._places[reading.agreement, reading.instrument][0]


def _notice_line(supplier: str, line: FileLine) -> NoticeLine:
    return NoticeLine(
        agreement=line.agreement, supplier=supplier, buyer=line.buyer, instrument=line.symbol,
        contract=line.code, unit=line.product, start_s=line.start_s, end_s=line.end_s,
        quantity=line.quantity,
        chips=[
            NoticeChip(chip=each.chip, dense_fp16_tflops=each.dense_fp16_tflops, gpus=each.gpus)
            for each in line.chips
        ],
        blocks=[NoticeBlock(block=each.block, lots=each.lots, of=each.of) for each in line.blocks],
    )  # fmt: skip
