from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.analysis.files import (
    AnalysisError,
    has_analysis,
    list_tables,
    read_analysis,
    write_named,
)
from tests.stellar_tf.analysis.planted import N_LATENT, RV, TEFF, UNEXPLAINED


def test_titles_name_what_is_tracked(result: AnalysisResult) -> None:
    dimensions = describe_dimensions(result.verdict_table)
    assert len(dimensions) == N_LATENT
    information = [d.information for d in dimensions]
    assert information == sorted(information, reverse=True)
    titles = {d.index: d.title for d in dimensions}
    assert titles[RV] == "z0: follows rv"
    assert titles[TEFF] == "z3: follows teff"
    assert titles[UNEXPLAINED] == "z9: follows no label given"
    assert titles[1] == "z1: uninformative"


def test_read_back_they_are_the_same(result: AnalysisResult, tmp_path: Path) -> None:
    assert not has_analysis(tmp_path)
    with pytest.raises(AnalysisError, match=r"no verdict\.ecsv; run stellar-tf anal"):
        read_analysis(tmp_path, N_LATENT)
    write_named(list_tables(result), tmp_path)
    analysis = read_analysis(tmp_path, N_LATENT)
    for found, expected in zip(
        describe_dimensions(analysis.verdict),
        describe_dimensions(result.verdict_table),
        strict=True,
    ):
        assert repr(found) == repr(expected)  # NaN and all
    np.testing.assert_array_equal(analysis.stars["z_mean"], result.stars["z_mean"])
    assert analysis.summary["n_informative"] == [result.verdict.n_informative]
    assert analysis.summary["n_independent"] == [result.independence.n_independent]


def test_an_analysis_of_another_model_is_refused(
    result: AnalysisResult, tmp_path: Path
) -> None:
    write_named(list_tables(result), tmp_path)
    with pytest.raises(AnalysisError, match="with 12 latent dimensions, this one has"):
        read_analysis(tmp_path, 128)
