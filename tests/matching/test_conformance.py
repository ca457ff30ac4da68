"""The public order flows lead to the reports that independent engines agree on."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.harness.conformance import conformance, read_flow, run_flow

FLOWS = Path(__file__).parents[1] / "conformance"
EXPECTED = json.loads((FLOWS / "expected.json").read_text())

MESSAGE = {"type": 0, "side": 0, "ioc": 0, "quantity": 5, "order_id": 1, "price_ticks": 100}
"""A new order to buy."""


def save(path: Path, *messages: dict[str, int], without: str = "") -> Path:
    rows = [MESSAGE | message for message in messages]
    names = [name for name in MESSAGE if name != without]
    np.savez(path, **{name: np.array([row[name] for row in rows]) for name in names})
    return path


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_flow_gives_the_agreed_reports(name):
    outcome = run_flow(read_flow(FLOWS / f"{name}.npz"))
    assert outcome._asdict().items() <= EXPECTED[name].items()


def test_the_command_prints_the_hash_of_any_file(tmp_path):
    path = save(tmp_path / "one.npz", {}, {"type": 1}, {"type": 1}, {"type": 2})
    result = CliRunner().invoke(conformance, [str(path), "--json"])
    assert result.exit_code == 0
    output = json.loads(result.stdout)
    # printf '0,0,0,1,100,5\n2,1,0,1,100\n4,2,1\n5,3,1' | sha256sum
    assert output["sha256"] == "2864be6f22555eadcc83ee66feb991c4142a8c81e9b351921deaa341879c64c4"
    assert output["expected"] is None
    assert (output["messages"], output["reports"], output["trades"]) == (4, 4, 0)


def test_the_command_fails_where_the_hash_is_not_the_expected_one(tmp_path):
    path = save(tmp_path / "one.npz", {})
    (tmp_path / "expected.json").write_text('{"one": {"sha256": "00"}}')
    result = CliRunner().invoke(conformance, [str(path)])
    assert result.exit_code == 1
    assert "expected 00" in result.stdout


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"type": 3}, "`type` must be between 0 and 2, got 0 to 3"),
        ({"side": 2}, "`side` must be between 0 and 1, got 0 to 2"),
        ({"quantity": 0}, "`quantity` must be between 1 and 1073741824, got 0 to 5"),
        ({"price_ticks": 0}, "`price_ticks` must be between 1 and 2147483647, got 0 to 100"),
        ({"price_ticks": 300_000}, "prices span 299901 ticks, a band at most 262144"),
        ({}, "message 1 was rejected: DUPLICATE_REF"),
    ],
)
def test_a_flow_outside_the_format_is_rejected_in_one_line(tmp_path, message, error):
    path = save(tmp_path / "bad.npz", {}, message)
    result = CliRunner().invoke(conformance, [str(path)])
    assert result.exit_code == 2
    assert error in result.stderr.splitlines()[-1]


def test_a_file_of_another_format_is_rejected_in_one_line(tmp_path):
    text = tmp_path / "text.npz"
    text.write_text("no zip at all")
    lacking = save(tmp_path / "lacking.npz", {}, without="side")
    for path, error in ((text, "not an .npz file"), (lacking, "a flow has the arrays type, side")):
        result = CliRunner().invoke(conformance, [str(path)])
        assert result.exit_code == 2
        assert error in result.stderr.splitlines()[-1]
