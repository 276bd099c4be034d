"""Any SavedModel: one with functions that this project has never seen."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput

from stellar_tf.saved_model.assets import DIMENSIONS_FILE
from stellar_tf.serving.kserve_model import ServedModel


class Other(tf.Module):
    """Spectra of any length with their wavelengths, and whole numbers out."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.float64, name="wave"),
            tf.TensorSpec((None,), tf.float32, name="flux"),
        ]
    )
    def centre(self, wave: tf.Tensor, flux: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_equal(tf.shape(wave), tf.shape(flux), "unequal lengths")
        total = tf.reduce_sum(wave * tf.cast(flux, tf.float64))
        n_bad = tf.reduce_sum(tf.cast(tf.math.is_nan(flux), tf.int32))
        return {"total": total[tf.newaxis], "flags": n_bad}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.int32, name="n")])
    def sums(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": tf.reduce_sum(n, axis=1)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, other = tmp_path_factory.mktemp("other") / "5", Other()
    signatures = {"serving_default": other.sums, "centre": other.centre}
    tf.saved_model.save(other, str(folder), signatures=signatures)
    with ThreadPoolExecutor(1) as executor:
        yield ServedModel(
            "other", 5, Path(folder), executor, max_bytes=1000, max_rows=8
        )


def predict(model: ServedModel, **payload: Any) -> Any:
    return asyncio.run(model.predict(payload))


def test_columns_of_any_length(model: ServedModel) -> None:
    inputs = {"wave": [1.0, 2.0, 3.0], "flux": [1, 2, 4]}
    outputs = predict(model, signature_name="centre", inputs=inputs)["outputs"]
    assert outputs["total"].tolist() == [17.0]
    assert outputs["total"].dtype == np.float64
    assert outputs["flags"].item() == 0
    inputs["flux"][1] = None
    outputs = predict(model, signature_name="centre", inputs=inputs)["outputs"]
    assert outputs["flags"].item() == 1


def test_the_models_own_refusal_is_a_bad_request(model: ServedModel) -> None:
    inputs = {"wave": [1.0, 2.0], "flux": [1.0]}
    with pytest.raises(InvalidInput, match="unequal lengths"):
        predict(model, signature_name="centre", inputs=inputs)


def test_rows_need_outputs_with_rows(model: ServedModel) -> None:
    rows = [{"wave": 1.0, "flux": 1.0}]
    with pytest.raises(InvalidInput, match="send inputs, not instances"):
        predict(model, signature_name="centre", instances=rows)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([0.5, 1], "must hold INT32"),
        ([None, 1], "must hold INT32"),
        ([2**31, 1], "too large"),
        ([2**70, 1], "too large"),
        (["1", 1], "must hold INT32"),
        ([True, 1], "must hold INT32"),
    ],
)
def test_whole_numbers_stay_whole(row: Any, reason: str, model: ServedModel) -> None:
    assert predict(model, instances=[[1, 2], [3, 4]])["predictions"].tolist() == [3, 7]
    with pytest.raises(InvalidInput, match=reason):
        predict(model, instances=[row])


def test_metadata_tells_every_signature(model: ServedModel) -> None:
    assert model.get_input_types() == [
        {"name": "n", "datatype": "INT32", "shape": [-1, 2]}
    ]
    centre = model.describe()["signatures"]["centre"]
    assert {spec["name"]: spec["datatype"] for spec in centre["inputs"]} == {
        "wave": "FP64",
        "flux": "FP32",
    }
    # Whoever exported it wrote neither grid nor dimensions.
    assert not {"grid", "dimensions"} & set(model.describe())


def test_metadata_tells_what_dimensions_mean(tmp_path: Path) -> None:
    other, dimensions = Other(), [{"index": 0, "informative": True, "unit_map": None}]
    dimensions.append({"index": 1, "informative": False, "unit_map": None})
    tf.saved_model.save(other, str(tmp_path), signatures=other.sums)
    (tmp_path / DIMENSIONS_FILE).parent.mkdir()
    (tmp_path / DIMENSIONS_FILE).write_text(json.dumps(dimensions))
    with ThreadPoolExecutor(1) as executor:
        model = ServedModel("other", 1, tmp_path, executor, max_bytes=99, max_rows=8)
        assert model.describe()["dimensions"] == dimensions[:1]


def test_infer_calls_any_signature(model: ServedModel) -> None:
    wave, flux = np.array([2.0, 3.0]), np.float32([1.0, 1.0])
    request = InferRequest(
        "other",
        [InferInput("flux", [2], "FP32", flux), InferInput("wave", [2], "FP64", wave)],
        request_id="1",
        parameters={"signature_name": "centre"},
    )
    response = asyncio.run(model.predict(request))
    assert response.model_version == "5"
    assert response.get_output_by_name("total").as_numpy().tolist() == [5.0]
    assert response.get_output_by_name("flags").datatype == "INT32"
