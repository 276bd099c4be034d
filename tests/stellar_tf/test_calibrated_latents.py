from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.files import AnalysisError, list_tables, write_named
from stellar_tf.api.encoding import encode
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run, RunError


def test_calibrated_widths_are_those_of_the_analysis(
    run: Run, result: AnalysisResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = list_tables(result)
    verdict = named["verdict"][:4].copy()
    verdict["dimension"] = np.arange(4)
    verdict["width_scale"] = [2.0, np.nan, 0.5, np.nan]
    write_named({**named, "verdict": verdict}, tmp_path)
    monkeypatch.setattr(Run, "analysis", tmp_path)
    wave = SpectrumModel.from_run(run).wave
    flux = 1.0 + 0.1 * np.sin(wave)
    plain, wider = (encode(run, wave, flux, calibrated=c) for c in (False, True))
    np.testing.assert_array_equal(wider.z_mean, plain.z_mean)
    ratio = np.exp(0.5 * (wider.z_log_var - plain.z_log_var))
    np.testing.assert_allclose(ratio, [[2.0, 1.0, 0.5, 1.0]], rtol=1e-5)


def test_without_an_analysis_nothing_is_calibrated(run: Run, tmp_path: Path) -> None:
    without = shutil.ignore_patterns("analysis")
    run = Run(shutil.copytree(run.folder, tmp_path / "run", ignore=without))
    with pytest.raises(AnalysisError, match="run stellar-tf analyze"):
        encode(str(run.folder), [5000.0], [1.0], calibrated=True)
    model = SpectrumModel.from_run(run)
    with pytest.raises(RunError, match="must be an analysed run"):
        encode(model, [5000.0], [1.0], calibrated=True)
