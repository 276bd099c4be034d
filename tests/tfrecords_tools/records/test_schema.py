from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfrecords_tools.records.example import encode_example
from tfrecords_tools.records.schema import (
    SPECTRUM_FEATURES,
    SPECTRUM_NAMES,
    LabelColumn,
    RecordSchema,
    SchemaError,
)

LABELS = (LabelColumn("teff", "float", "K"), LabelColumn("sptp", "string", ""))
SCHEMA = RecordSchema.with_labels(5, LABELS)
FLUX = np.array([1.0, np.nan, -3.0, 0.0, 5.5], dtype=np.float32)
VALUES: dict[str, float | str] = {
    **{
        f.name: f"the {f.name}" if f.kind == "string" else float(i)
        for i, f in enumerate(SCHEMA.features)
        if f.kind != "flux"
    },
    "flux_scale": 1.0,
}


@given(
    hnp.arrays(np.float32, 5, elements=st.floats(width=32)),
    st.text(max_size=50),
    st.floats(width=32),
)
def test_records_are_read_as_they_were_written(flux, target, teff):
    record = SCHEMA.encode(flux, {**VALUES, "target": target, "teff": teff})
    found, values = SCHEMA.decode(record)
    assert found.tobytes() == flux.astype("<f4").tobytes()
    assert values["target"] == target
    assert values["teff"] == teff or (math.isnan(teff) and math.isnan(values["teff"]))
    assert {k: v for k, v in values.items() if k not in ("target", "teff")} == {
        k: v for k, v in VALUES.items() if k not in ("target", "teff")
    }


def test_flux_of_any_layout_is_stored_little_endian():
    for flux in (FLUX.astype(">f4"), np.repeat(FLUX, 2)[::2]):
        found, _ = SCHEMA.decode(SCHEMA.encode(flux, VALUES))
        np.testing.assert_array_equal(found, FLUX)


@given(
    hnp.arrays(np.float32, 5, elements=st.floats(-6e4, 6e4, width=32)),
    st.floats(2.0**-60, 2.0**60, width=32),
)
def test_half_precision_keeps_eleven_bits_of_the_scaled_flux(relative, scale):
    schema = SCHEMA.model_copy(update={"flux_dtype": "float16"})
    flux = relative * np.float32(scale)
    values = {**VALUES, "flux_scale": scale}
    found, _ = schema.decode(schema.encode(flux, values))
    # Half a unit in the last of 11 bits, or half the smallest number.
    error = np.maximum(2.0**-11 * np.abs(flux), 2.0**-25 * scale) * (1.0 + 1e-6)
    assert (np.abs(found - flux) <= error).all()
    assert schema.encode(found, values) == schema.encode(flux, values)


def test_floats_beyond_float32_become_infinite():
    _, values = SCHEMA.decode(SCHEMA.encode(FLUX, {**VALUES, "teff": -1e300}))
    assert values["teff"] == -math.inf


def test_labels_come_after_the_features_of_every_spectrum():
    assert SCHEMA.features[: len(SPECTRUM_FEATURES)] == SPECTRUM_FEATURES
    assert [(f.name, f.kind, f.unit) for f in SCHEMA.labels] == list(LABELS)


def test_json_gives_the_schema_back():
    assert RecordSchema.model_validate_json(SCHEMA.model_dump_json()) == SCHEMA


def test_every_feature_of_the_design_is_there():
    design = {
        *("flux", "dp_id", "target", "instrument", "ra", "dec", "mjd", "exptime"),
        *("snr", "berv", "airmass", "specsys", "flux_unit", "median_flux"),
    }
    assert design.issubset(SPECTRUM_NAMES)


def test_a_label_named_as_a_feature_is_refused():
    clashing = [LabelColumn("teff", "float", "K"), LabelColumn("ra", "float", "deg")]
    with pytest.raises(ValueError, match="what every record has of its own, got ra"):
        RecordSchema.with_labels(5, clashing)


@pytest.mark.parametrize(
    ("flux", "values", "reason"),
    [
        (FLUX[:4], VALUES, r"flux must have shape \(5,\), got \(4,\)"),
        (FLUX, {**VALUES, "extra": 1.0}, "wrong: extra"),
        (FLUX, {k: v for k, v in VALUES.items() if k != "ra"}, "wrong: ra"),
        (FLUX, {**VALUES, "ra": "x"}, "ra must be a float, got 'x'"),
        (FLUX, {**VALUES, "star": 1.0}, "star must be a string, got 1.0"),
    ],
)
def test_values_that_do_not_fit_are_refused(flux, values, reason):
    with pytest.raises(ValueError, match=reason):
        SCHEMA.encode(flux, values)


def wire(**changes):
    features = {"flux": FLUX.tobytes()}
    for name, value in VALUES.items():
        features[name] = value if isinstance(value, float) else value.encode()
    features.update(changes)
    return encode_example((k, v) for k, v in features.items() if v is not None)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\x0a\xff", "record is not a tf.train.Example"),
        (wire(flux=FLUX.tobytes()[:-1]), "flux must have 20 bytes, got 19"),
        (wire(flux=None), "flux must have one value, got 0"),
        (wire(ra=None), "ra must have one value, got 0"),
        (wire(ra=b"x"), "ra is not a float"),
        (wire(star=1.0), "star is not a string"),
    ],
)
def test_records_that_do_not_fit_are_refused(record, reason):
    with pytest.raises(SchemaError, match=reason):
        SCHEMA.decode(record)


def test_further_features_are_ignored():
    found, values = SCHEMA.decode(wire(more=b"x"))
    np.testing.assert_array_equal(found, FLUX)
    assert values == VALUES


def test_errors_are_stored_over_the_median():
    schema = RecordSchema.with_labels(5, LABELS, with_errors=True)
    values = {**VALUES, "median_flux": 200.0}
    error = np.array([1.0, np.nan, 3e7, 0.0, 1e-9], np.float32)
    record = schema.encode(FLUX, values, error)
    expected = [1.0, np.nan, np.nan, np.nan, np.nan]  # what float16 does not have
    np.testing.assert_allclose(schema.decode_error(record), expected, rtol=2.0**-11)
    assert schema.decode_error(schema.encode(FLUX, values)) is None
    assert schema.decode(record)[1] == values
    assert SCHEMA.decode_error(record) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"123", "error must have 0 or 10 bytes, got 3"),
        (1.0, "error is not a error"),
        (None, "error must have one value, got 0"),
    ],
)
def test_errors_that_do_not_fit_the_schema(value, reason):
    schema = RecordSchema.with_labels(5, LABELS, with_errors=True)
    whole = {**VALUES, "flux": FLUX.tobytes(), "error": value}
    wire = {k: v.encode() if isinstance(v, str) else v for k, v in whole.items()}
    record = encode_example((k, v) for k, v in wire.items() if v is not None)
    with pytest.raises(SchemaError, match=reason):
        schema.decode_error(record)
