"""Write the day logs that stand for the rules of this build, where there are none of their number.

    python -m tests.tools.rules_logs

They are random streams, one with all features but blocks and baskets, one with these, and each
seal has the hash of the reference's events. Together they find 13 of the 17 deliberate faults in
the reference. tests/ledger/test_rules_number.py replays them: a rule that changes fails there until
RULES in matching/rules.py is raised and the logs of the new number are written. Logs of a released
number are never written again; before the release, delete them first.
"""

import hashlib
from pathlib import Path

from ledger.daylog import DayLogWriter
from ledger.daylog.registry import Registry
from matching.reference.engine import ReferenceEngine
from matching.rules import RULES
from tests.tools.fuzz import stream_of

LOGS = Path(__file__).parents[1] / "ledger" / "logs"
SEEDS, LENGTH = (8, 50), 600
DAY = "2026-11-22"


def main() -> None:
    for seed in SEEDS:
        limits, commands = stream_of(seed, LENGTH)
        note = f"Random commands of seed {seed}, which stand for rules {RULES}."
        registry = Registry(venue="TEST", trading_day=DAY, note=note, limits=limits.as_dict())
        events = ReferenceEngine(limits).process(commands)
        path = LOGS / f"rules_{RULES}_seed_{seed}.log"
        with DayLogWriter.create(path, venue="TEST", trading_day=DAY) as log:
            log.append_registry(registry)
            log.append(commands)
            log.seal(hashlib.sha256(events.tobytes()).digest())
        print(f"{path}: {len(commands)} commands, {len(events)} events")


if __name__ == "__main__":
    main()
