"""A bounded run of the fuzz target: `make soak` has the long one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("atheris", reason="atheris has no wheel for this Python")
RUNS = 20_000


@pytest.mark.slow
def test_nothing_but_its_own_errors_comes_out_of_the_codec(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.fuzz_snmp", str(tmp_path / "corpus"), f"-runs={RUNS}", "-seed=1"]
    command += ["-max_total_time=10", "-timeout=5", "-max_len=1500", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    ran = re.search(r"Done (\d+) runs", said)
    assert ran and int(ran[1]) > 500, said[-2000:]
    coverage = [int(found) for found in re.findall(r"cov: (\d+)", said)]
    assert coverage and coverage[-1] > 100, "the codec is not instrumented: the run was blind"
