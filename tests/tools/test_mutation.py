"""The deliberate faults fit the present sources, and the tests find each of them."""

import ast
import shutil

import pytest
from click.testing import CliRunner

from tests.tools.faults import FAULTS, KERNEL, REFERENCE
from tests.tools.mutation import ROOT, apply, main


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.why}")
def test_a_fault_changes_one_place_and_its_file_still_parses(tmp_path, fault):
    path = tmp_path / "matching" / fault.file
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "matching" / fault.file, path)
    before = ast.dump(ast.parse(path.read_text()))
    apply(fault, tmp_path)
    assert ast.dump(ast.parse(path.read_text())) != before


def test_faults_are_enough_and_all_different():
    assert len(KERNEL) >= 20
    assert len(REFERENCE) >= 10
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.long
def test_every_fault_is_found():
    result = CliRunner().invoke(main, ["--workers", "2"])
    assert result.exit_code == 0, result.output
