"""The features of a record: one specification for whoever writes or reads one.

A record is a serialized ``tf.train.Example``. TensorFlow, which takes seconds to
import, is needed neither to write nor to read one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tfrecords_tools.config import Section
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.example import ExampleError, decode_example, encode_example

_ERROR_DTYPE = np.dtype("<f2")
FluxType = Literal["float32", "float16"]

Value = float | str


class SchemaError(UserError):
    """A record does not fit the schema of its data set."""


class Feature(Section):
    """One feature of every record."""

    name: str
    kind: Literal["flux", "error", "string", "float"]
    """Bytes of `RecordSchema.flux_dtype`, bytes of float16 or none at all, one UTF-8
    string, or one float32."""
    unit: str = ""
    description: str = ""
    is_label: bool = False
    """Whether it comes from the label table."""


class LabelColumn(NamedTuple):
    """One column of a table of labels."""

    name: str
    kind: Literal["string", "float"]
    unit: str
    """FITS unit, "" if there is none."""


SPECTRUM_FEATURES: tuple[Feature, ...] = (
    Feature(
        name="flux",
        kind="flux",
        description="Flux on the grid over flux_scale, little-endian; NaN is bad.",
    ),
    Feature(name="dp_id", kind="string", description="Identifier of the data product."),
    Feature(name="target", kind="string", description="Target as in the header."),
    Feature(name="star", kind="string", description="Normalised name of the star."),
    Feature(name="instrument", kind="string", description="Instrument."),
    Feature(name="ra", kind="float", unit="deg", description="Right ascension."),
    Feature(name="dec", kind="float", unit="deg", description="Declination."),
    Feature(
        name="mjd",
        kind="float",
        unit="d",
        description="Modified Julian date of the start, to 0.004 d (float32).",
    ),
    Feature(name="exptime", kind="float", unit="s", description="Exposure time."),
    Feature(
        name="snr", kind="float", description="Median signal to noise over the orders."
    ),
    Feature(
        name="berv",
        kind="float",
        unit="km/s",
        description="Barycentric Earth radial velocity.",
    ),
    Feature(name="airmass", kind="float", description="Airmass at the start."),
    Feature(name="specsys", kind="string", description="Frame of the wavelengths."),
    Feature(name="flux_unit", kind="string", description="Unit of the flux."),
    Feature(
        name="flux_scale",
        kind="float",
        description="The stored flux is to be multiplied by this; 1 for float32.",
    ),
    Feature(
        name="median_flux", kind="float", description="Median flux of valid pixels."
    ),
    Feature(
        name="phase_error",
        kind="float",
        unit="pixel",
        description="Shifted data stand this far right of their grid pixel.",
    ),
    Feature(
        name="n_spikes",
        kind="float",
        unit="pixel",
        description="Pixels of the file that are bad for being far from all others.",
    ),
    Feature(
        name="history",
        kind="string",
        description="What was done to the spectrum, separated by semicolons.",
    ),
)

ERROR_FEATURE = Feature(
    name="error",
    kind="error",
    description="Standard deviation of the flux over median_flux, little-endian "
    "float16; NaN where unknown, and no bytes where the file has none.",
)

SPECTRUM_NAMES = frozenset(f.name for f in (*SPECTRUM_FEATURES, ERROR_FEATURE))


class RecordSchema(Section):
    """The features of a data set's records, in the order they are written."""

    n_pixels: int = Field(ge=1)
    """Length of the flux."""
    flux_dtype: FluxType = "float32"
    """Of the stored flux."""
    features: tuple[Feature, ...] = SPECTRUM_FEATURES

    @classmethod
    def with_labels(
        cls,
        n_pixels: int,
        columns: Iterable[LabelColumn],
        flux_dtype: FluxType = "float32",
        *,
        with_errors: bool = False,
    ) -> RecordSchema:
        """
        Extend the features of a spectrum by those of a label table.

        Parameters
        ----------
        n_pixels : int
            Length of the flux.
        columns : iterable of LabelColumn
            Each becomes a feature.
        flux_dtype : {"float32", "float16"}
            Of the stored flux.
        with_errors : bool, default False
            Whether records can hold errors of the flux.

        Returns
        -------
        schema : RecordSchema
            The spectrum's features, then the labels.

        Raises
        ------
        ValueError
            If a label has the name of a feature of every spectrum.
        """
        labels = tuple(
            Feature(name=c.name, kind=c.kind, unit=c.unit, is_label=True)
            for c in columns
        )
        clashes = [label.name for label in labels if label.name in SPECTRUM_NAMES]
        if clashes:
            raise ValueError(
                "labels must not be named as what every record has of its own, "
                f"got {', '.join(clashes)}"
            )
        return cls(
            n_pixels=n_pixels,
            flux_dtype=flux_dtype,
            features=(
                *SPECTRUM_FEATURES,
                *([ERROR_FEATURE] if with_errors else []),
                *labels,
            ),
        )

    @property
    def labels(self) -> tuple[Feature, ...]:
        """The features that come from the label table."""
        return tuple(feature for feature in self.features if feature.is_label)

    @property
    def has_errors(self) -> bool:
        """Whether records can hold errors of the flux."""
        return ERROR_FEATURE in self.features

    @property
    def values(self) -> tuple[Feature, ...]:
        """The features that are one text or number each."""
        return tuple(f for f in self.features if f.kind in ("string", "float"))

    def encode(
        self,
        flux: NDArray[np.float32],
        values: Mapping[str, Value],
        error: NDArray[np.float32] | None = None,
    ) -> bytes:
        """
        Serialize a record.

        Parameters
        ----------
        flux : ndarray of float32
            Shape (n_pixels,).
        values : mapping of str to float or str
            Every other feature by name; further keys are errors. The flux is stored
            over ``values["flux_scale"]``.
        error : ndarray of float32, optional
            Standard deviation of the flux, shape (n_pixels,), stored over
            ``values["median_flux"]`` if the schema has errors.

        Returns
        -------
        record : bytes
            A ``tf.train.Example``.

        Raises
        ------
        ValueError
            If the flux has another length, or a value is missing, superfluous or of
            the wrong kind.
        """
        if flux.shape != (self.n_pixels,):
            raise ValueError(
                f"flux must have shape ({self.n_pixels},), got {flux.shape}"
            )
        expected = {f.name for f in self.values}
        if set(values) != expected:
            wrong = ", ".join(sorted(expected ^ set(values)))
            raise ValueError(f"values must be the schema's features, wrong: {wrong}")
        arrays = {
            "flux": self.pack_flux(flux, float(values["flux_scale"])),
            "error": pack_error(error, float(values["median_flux"])),
        }
        numbers = {f.name: _to_wire(f, values[f.name]) for f in self.values}
        wire = {**numbers, **arrays}
        return encode_example((f.name, wire[f.name]) for f in self.features)

    def decode(
        self, record: bytes, names: Collection[str] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Value]]:
        """
        Read a record.

        Parameters
        ----------
        record : bytes
            A ``tf.train.Example``; features the schema does not have are ignored.
        names : collection of str, optional
            Features to read beside the flux and its scale; by default all.

        Returns
        -------
        flux : ndarray of float32
            Shape (n_pixels,), read-only.
        values : dict of str to float or str
            The other features by name, but for the errors: see `decode_error`.

        Raises
        ------
        SchemaError
            If the bytes are no Example, or a feature is missing, of another kind or
            the flux of another length; the message names the feature.
        """
        wanted = None if names is None else {"flux", "flux_scale", *names}
        try:
            wire = decode_example(record, wanted)
        except ExampleError as error:
            raise SchemaError(f"record is {error}") from None
        content = memoryview(b"")
        values: dict[str, Value] = {}
        for feature in self.features:
            if feature.kind == "error":
                continue
            if wanted is not None and feature.name not in wanted:
                continue
            value = _from_wire(feature, wire.get(feature.name, []))
            if isinstance(value, memoryview):
                content = value
            else:
                values[feature.name] = value
        return self.unpack_flux(content, float(values["flux_scale"])), values

    def decode_error(self, record: bytes) -> NDArray[np.float32] | None:
        """
        Read the errors of the flux.

        Parameters
        ----------
        record : bytes
            A ``tf.train.Example``.

        Returns
        -------
        error : ndarray of float32 or None
            Standard deviation in the unit of the flux, shape (n_pixels,), NaN where it
            is unknown; None if the record has none.

        Raises
        ------
        SchemaError
            If the bytes are no Example, or too many or too few.
        """
        if not self.has_errors:
            return None
        _, values = self.decode(record, ("median_flux",))
        wire = decode_example(record, {ERROR_FEATURE.name})
        content = _from_wire(ERROR_FEATURE, wire.get(ERROR_FEATURE.name, []))
        if not isinstance(content, memoryview):
            raise SchemaError("error is not bytes")
        return self.unpack_error(content, float(values["median_flux"]))

    def unpack_error(
        self, content: memoryview, median_flux: float
    ) -> NDArray[np.float32] | None:
        """
        Undo `pack_error`, but for the digits float16 does not have.

        Parameters
        ----------
        content : memoryview
            As stored.
        median_flux : float
            Of the spectrum.

        Returns
        -------
        error : ndarray of float32 or None
            Shape (n_pixels,); None if there are no bytes.

        Raises
        ------
        SchemaError
            If the bytes are too many or too few.
        """
        size = self.n_pixels * _ERROR_DTYPE.itemsize
        if len(content) not in (0, size):
            raise SchemaError(f"error must have 0 or {size} bytes, got {len(content)}")
        if not content:
            return None
        relative = np.frombuffer(content, _ERROR_DTYPE).astype(np.float32)
        return relative * np.float32(median_flux)

    def pack_flux(self, flux: NDArray[np.float32], scale: float) -> memoryview:
        """Turn a flux into the bytes that are stored."""
        scaled = flux if scale == 1.0 else flux / np.float32(scale)
        return np.ascontiguousarray(scaled, self._stored_dtype).data.cast("B")

    def unpack_flux(self, content: memoryview, scale: float) -> NDArray[np.float32]:
        """
        Undo `pack_flux`, but for the digits float16 does not have.

        Parameters
        ----------
        content : memoryview
            As stored.
        scale : float
            What the stored flux is to be multiplied by.

        Returns
        -------
        flux : ndarray of float32
            Shape (n_pixels,), read-only.

        Raises
        ------
        SchemaError
            If the bytes are too many or too few.
        """
        size = self.n_pixels * self._stored_dtype.itemsize
        if len(content) != size:
            raise SchemaError(f"flux must have {size} bytes, got {len(content)}")
        flux = np.frombuffer(content, self._stored_dtype)
        if scale == 1.0:
            flux = flux.astype(np.float32, copy=False)
        else:
            flux = flux * np.float32(scale)
        flux.flags.writeable = False
        return flux

    @property
    def _stored_dtype(self) -> np.dtype[np.floating]:
        return np.dtype(self.flux_dtype).newbyteorder("<")


def pack_error(error: NDArray[np.float32] | None, median_flux: float) -> memoryview:
    """
    Turn errors into the bytes that are stored.

    Parameters
    ----------
    error : ndarray of float32 or None
        Standard deviation of the flux; None if there is none.
    median_flux : float
        Of the spectrum, positive if there are errors, in the same unit.

    Returns
    -------
    content : memoryview
        Little-endian float16; what is not a positive number in float16 is NaN.
    """
    if error is None:
        return memoryview(b"")
    with np.errstate(over="ignore", under="ignore"):
        relative = (error / np.float32(median_flux)).astype(_ERROR_DTYPE)
    relative[~((relative > 0.0) & np.isfinite(relative))] = np.nan
    return relative.data.cast("B")


def _to_wire(feature: Feature, value: Value) -> bytes | float:
    if feature.kind == "string" and isinstance(value, str):
        return value.encode()
    if feature.kind == "float" and not isinstance(value, str):
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    raise ValueError(f"{feature.name} must be a {feature.kind}, got {value!r}")


def _from_wire(
    feature: Feature, wire: Sequence[memoryview | float]
) -> memoryview | Value:
    if len(wire) != 1:
        raise SchemaError(f"{feature.name} must have one value, got {len(wire)}")
    value = wire[0]
    if isinstance(value, float) != (feature.kind == "float"):
        raise SchemaError(f"{feature.name} is not a {feature.kind}")
    if isinstance(value, memoryview) and feature.kind == "string":
        return bytes(value).decode()
    return value
