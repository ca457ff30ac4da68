"""The deliberate faults fit the sources of today, and tests find them all."""

import ast
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.tools.faults import FAULTS, KERNEL, REFERENCE
from tests.tools.mutation import ROOT, apply, main


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.why}")
def test_a_fault_is_one_change_that_leaves_the_file_readable(tmp_path, fault):
    (tmp_path / "matching").mkdir()
    path = Path(shutil.copy(ROOT / "matching" / fault.file, tmp_path / "matching"))
    before = ast.dump(ast.parse(path.read_text()))
    apply(fault, tmp_path)
    assert ast.dump(ast.parse(path.read_text())) != before


def test_there_are_faults_enough_and_none_twice():
    assert len(KERNEL) >= 20
    assert len(REFERENCE) >= 10
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.long
def test_every_fault_is_found():
    result = CliRunner().invoke(main, ["--workers", "2"])
    assert result.exit_code == 0, result.output
