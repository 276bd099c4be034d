from __future__ import annotations

import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from tests.stellar_tf.analysis.planted import AIRMASS


def test_airmass_leaks_into_its_dimension_and_nothing_else(
    result: AnalysisResult,
) -> None:
    leakage = result.leakage
    assert set(leakage.nuisances) == {"snr", "airmass", "berv", "mjd"}
    row = list(leakage.dimensions).index(AIRMASS)
    column = leakage.nuisances.index("airmass")
    assert leakage.significant[row, column]
    assert leakage.significant.sum() == 1
    assert leakage.total == pytest.approx(leakage.mi[row, column])
    assert leakage.largest[row] == leakage.total
