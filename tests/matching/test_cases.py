"""Every rule case, of tests/cases and of RULES.md, on every engine."""

from pathlib import Path

import pytest

from tests.support.case_language import read_cases, read_fenced_cases
from tests.support.case_runner import run_case
from tests.support.engines import ENGINES

CASES = [
    case
    for path in sorted((Path(__file__).parents[1] / "cases").glob("*.txt"))
    for case in read_cases(path)
]
EXAMPLES = read_fenced_cases(Path(__file__).parents[2] / "matching" / "RULES.md")


def test_all_cases_are_there_under_unique_titles() -> None:
    assert len(CASES) == 156
    assert len({case.title for case in CASES}) == 156
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize("engine_class", ENGINES, ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("case", CASES + EXAMPLES, ids=lambda case: case.title)
def test_case_holds(engine_class, case):
    run_case(engine_class, case)
