"""Deliveries at a venue that is served: suppliers are told what to deliver, and say what they did.

What is nominated stands in `delivery/DAY.notices.json`, which `deliver notices --to` writes; it is
looked at anew when it has changed. What meters say goes to `delivery/DAY.readings.csv`, durable
before it is answered, and is settled from there. Both outlive the venue's process and its trading
day. A reading is judged by the rules of the books (`ledger.delivery.meter_files`), at the venue's
time.
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
from ledger.delivery.meter_files import Metering as Counted
from ledger.delivery.meter_readings import ReadingsFile, Row
from matching.records import NANOSECONDS

LOG = logging.getLogger("suanshi.venue")

READINGS_MAX = 1_000
"""Of one line of an agreement."""


class _Taken(NamedTuple):
    """A reading that counts, and its answer."""

    told: tuple[str, ...]
    session: str
    answer: MeterAnswer


class _Day:
    """A day of delivery: its notices, and its readings so far."""

    def __init__(self, path: Path, file: NoticesFile) -> None:
        self.notices = file.notices
        self.readings = ReadingsFile(path)
        self.taken: dict[str, _Taken] = {}
        self.counts: Counter[tuple[str, str]] = Counter()  # readings of each line
        self._metered: Counter[tuple[str, str]] = Counter()
        self._note(self.readings.rows)

    def append(self, rows: list[Row]) -> None:
        """Write readings that count; they are durable when this returns. Raises OSError."""
        self.readings.append(rows)
        self._note(rows)

    def _note(self, rows: list[Row]) -> None:
        for row in rows:
            place = row["agreement"], row["instrument"]
            self.counts[place] += 1
            self._metered[place] += int(row["delivered_millionths"])
            answer = MeterAnswer(
                meter=row["meter"], reason=MeterReason.COUNTED, number=len(self.taken) + 1,
                delivered_millionths=int(row["delivered_millionths"]),
                metered_millionths=self._metered[place],
            )  # fmt: skip
            told = tuple(row[name] for name in COLUMNS)
            self.taken[row["meter"]] = _Taken(told, row["session"], answer)


class Meters:
    """Answers suppliers' sessions."""

    def __init__(self, folder: Path, venue: str) -> None:
        self._folder = folder / DELIVERY_FOLDER
        self._venue = venue
        self._days: dict[str, _Day] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._owns: dict[frozenset[str], _Own] = {}
        self._look()

    def tell(self, asked: NoticesRequest, accounts: set[str]) -> Notices:
        """The notices of some accounts on a day."""
        self._look()
        day = self._days.get(asked.day)
        lines = [
            _told(notice.supplier, each)
            for notice in (day.notices if day else ()) if notice.supplier in accounts
            for each in notice.lines
        ]  # fmt: skip
        part = lines[asked.after : asked.after + NOTICES_MAX]
        return Notices(day=asked.day, lines=part, count=len(lines))

    def take(
        self, asked: MeterReadings, accounts: set[str], session: int, now_ns: int
    ) -> MeterAnswers:
        """Take readings of deliveries of some accounts; those that count are durable then.

        Raises OSError where they cannot be written; asking again is harmless.
        """
        self._look()
        own = self._own(frozenset(accounts))
        fresh: dict[str, tuple[str, ...]] = {}
        rows: dict[str, list[Row]] = {}
        answers: list[MeterAnswer | bool] = []  # True: the first answer comes once more
        for reading in asked.readings:
            told = tuple(str(getattr(reading, name)) for name in COLUMNS)
            before = fresh.get(reading.meter) or self._told_before(reading, own, str(session))
            found = self._judged(own, reading, told, now_ns) if before is None else (
                None if before == told
                else Refused("DIFFERENT", f"`{reading.meter}` was metered before, differently")
            )  # fmt: skip
            if isinstance(found, Refused):
                reason = MeterReason[found.reason]
                answers.append(MeterAnswer(meter=reading.meter, reason=reason, text=found.text))
                continue
            answers.append(before is not None)
            if found is not None:
                fresh[reading.meter] = told
                row = dict(zip(COLUMNS, told, strict=True)) | {
                    "delivered_millionths": str(found.delivered_millionths),
                    "session": str(session), "time_ns": str(now_ns),
                }  # fmt: skip
                rows.setdefault(own.day_of(reading), []).append(row)
        for day, more in rows.items():
            self._days[day].append(more)
        return MeterAnswers(answers=[
            self._first_answer(reading.meter, answer) if isinstance(answer, bool) else answer
            for reading, answer in zip(asked.readings, answers, strict=True)
        ])  # fmt: skip

    def close(self) -> None:
        """Close the files."""
        for day in self._days.values():
            day.readings.close()

    def _look(self) -> None:
        """Read the notices that are new or have changed; what cannot be used is left as it was."""
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
                    readings = self._folder / f"{file.day}.readings.csv"
                    self._days[file.day] = _Day(readings, file)
                self._owns.clear()
                LOG.info("%s: notices of %d suppliers", path, len(file.notices))
            except (LedgerError, OSError) as error:
                LOG.error("notices cannot be used: %s", error)

    def _own(self, accounts: frozenset[str]) -> "_Own":
        """What may be metered of some accounts."""
        if accounts not in self._owns:
            self._owns[accounts] = _Own(self._days, accounts)
        return self._owns[accounts]

    def _judged(
        self, own: "_Own", reading: MeterReading, told: tuple[str, ...], now_ns: int
    ) -> Counted | Refused:
        """What a reading that is new comes to, or why it does not count."""
        found = own.validate(reading, told, now_ns)
        if isinstance(found, Refused):
            return found
        counts = self._days[own.day_of(reading)].counts
        if counts[str(reading.agreement), reading.instrument] >= READINGS_MAX:
            text = f"agreement {reading.agreement} has {READINGS_MAX} readings of this line already"
            return Refused("FULL", text)
        return found

    def _told_before(
        self, reading: MeterReading, own: "_Own", session: str
    ) -> tuple[str, ...] | None:
        """What a meter's number stands for already; nothing of it where that is another's."""
        for day in self._days.values():
            if (taken := day.taken.get(reading.meter)) is not None:
                return taken.told if taken.session == session or own.has(taken.told) else ("",)
        return None

    def _first_answer(self, meter: str, repeated: bool) -> MeterAnswer:
        answer = next(d.taken[meter].answer for d in self._days.values() if meter in d.taken)
        return msgspec.structs.replace(answer, repeated=repeated)


class _Own:
    """What some accounts are to deliver, and the validator of its readings."""

    def __init__(self, days: dict[str, _Day], accounts: frozenset[str]) -> None:
        lines, instruments = {}, set()
        self._places: dict[tuple[int, str], tuple[str, int]] = {}
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

    def validate(
        self, reading: MeterReading, told: tuple[str, ...], now_ns: int
    ) -> Counted | Refused:
        """What a reading that is new comes to, or why it does not count."""
        found = self._validator.validate(dict(zip(COLUMNS, told, strict=True)))
        if isinstance(found, Refused):
            return found
        _, start_s = self._places[reading.agreement, reading.instrument]
        passed_s = max(now_ns // NANOSECONDS - start_s, 0)
        if reading.available_s > passed_s:
            text = f"of {reading.instrument} only {passed_s} s have passed"
            return Refused("EARLY", text)
        return found

    def has(self, told: tuple[str, ...]) -> bool:
        """Whether a reading is of these accounts."""
        return (int(told[1]), told[2]) in self._places

    def day_of(self, reading: MeterReading) -> str:
        """The day of delivery of a reading that counts."""
        return self._places[reading.agreement, reading.instrument][0]


def _told(supplier: str, line: FileLine) -> NoticeLine:
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
