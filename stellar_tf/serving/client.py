"""A client of ``stellar-tf serve``, which needs neither TensorFlow nor KServe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import requests
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from stellar_tf.inference.latents import (
    OUTPUTS,
    Batch,
    Columns,
    Latents,
    encode_prepared,
)
from stellar_tf.tables import write_table, writing_table
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.manifest import is_records

_DATATYPES = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "INT32": "<i4",
    "INT64": "<i8",
}
"""numpy's names of the Open Inference protocol's types."""
_JSON_LENGTH = "inference-header-content-length"
_ROOM_FOR_JSON = 65_536


class ServerError(UserError):
    """The server cannot be reached, or refuses; the message names it and says why."""


class Client:
    """
    Calls a served model, with tensors as bytes over the Open Inference protocol (V2).

    Parameters
    ----------
    url : str
        REST address of the server, such as ``http://127.0.0.1:8501``.
    name : str, optional
        The model; by default the one that is served.
    version : int, optional
        Its version; by default the highest that is served.
    timeout : float, default 60.0
        Patience with one request [s].

    Raises
    ------
    ServerError
        If the server does not answer, or does not serve the model.
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        version: int | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._session = requests.Session()
        if name is None:
            name = self._get("/v2/models")["models"][0]
        self._path = f"/v2/models/{name}"
        if version is not None:
            self._path += f"/versions/{version}"
        self.metadata: dict[str, Any] = self._get(self._path)
        """What the server tells of the model: its tensors, versions and parameters."""
        self._parameters = self.metadata.get("parameters", {})

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    @property
    def grid(self) -> Grid:
        """
        Wavelengths of the spectra the model takes.

        Raises
        ------
        ServerError
            If the server does not tell.
        """
        if "grid" not in self._parameters:
            raise ServerError(f"{self._url}: does not tell the grid of its model")
        return Grid(**self._parameters["grid"])

    @property
    def convert(self) -> ConvertConfig:
        """
        How files are brought onto the grid.

        Raises
        ------
        ServerError
            If the server is of another version and has settings unknown here.
        """
        try:
            return ConvertConfig(**self._parameters.get("convert", {}))
        except ValidationError as error:
            keys = ", ".join(str(detail["loc"][0]) for detail in error.errors())
            raise ServerError(
                f"{self._url}: has settings unknown here ({keys}); install its version "
                f"of stellar-tf"
            ) from None

    def encode(self, flux: ArrayLike) -> dict[str, NDArray[Any]]:
        """
        Encode spectra.

        Parameters
        ----------
        flux : array_like, shape (batch, n_pixels) or (n_pixels,)
            Raw flux on the model's grid, NaN at bad pixels.

        Returns
        -------
        code : dict of str to ndarray
            ``z_mean`` and ``z_log_var``, shape (batch, n_latent), ``median_flux`` and
            ``valid_fraction``, shape (batch,), and what else the model gives.
        """
        return self.call("encode", flux=np.atleast_2d(np.asarray(flux, np.float32)))

    def encode_spectrum(
        self, wave: ArrayLike, flux: ArrayLike
    ) -> dict[str, NDArray[Any]]:
        """
        Encode one spectrum of any wavelengths.

        Parameters
        ----------
        wave : array_like, shape (n,)
            In air, barycentric, increasing [Angstrom].
        flux : array_like, shape (n,)
            Raw flux density, NaN at bad pixels.

        Returns
        -------
        code : dict of str to ndarray
            As of `encode`, for a batch of one.
        """
        return self.call(
            "encode_spectrum",
            wave=np.asarray(wave, np.float64),
            flux=np.asarray(flux, np.float32),
        )

    def decode(self, z: ArrayLike) -> NDArray[np.float32]:
        """
        Decode codes.

        Parameters
        ----------
        z : array_like, shape (batch, n_latent) or (n_latent,)
            The codes.

        Returns
        -------
        flux : ndarray of float32, shape (batch, n_pixels)
            Normalised spectra on the model's grid.
        """
        return self.call("decode", z=np.atleast_2d(np.asarray(z, np.float32)))["flux"]

    def reconstruct(self, flux: ArrayLike) -> NDArray[np.float32]:
        """
        Encode spectra and decode the means of their codes.

        Parameters
        ----------
        flux : array_like, shape (batch, n_pixels) or (n_pixels,)
            Raw flux on the model's grid, NaN at bad pixels.

        Returns
        -------
        flux : ndarray of float32, shape (batch, n_pixels)
            In the unit of the input.
        """
        rows = np.atleast_2d(np.asarray(flux, np.float32))
        return self.call("reconstruct", flux=rows)["flux"]

    def call(self, signature: str, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """
        Call any signature of the model.

        Parameters
        ----------
        signature : str
            Its name.
        **inputs : ndarray
            Its inputs, by name.

        Returns
        -------
        outputs : dict of str to ndarray
            By name.

        Raises
        ------
        ServerError
            If the server does not answer, or refuses.

        Notes
        -----
        A batch that is larger than the server's limit goes in several requests.
        """
        specs = self._parameters.get("signatures", {}).get(signature)
        if specs is None:
            raise ServerError(f"{self._url}: the model has no signature {signature}")
        parts = [
            self._infer(signature, specs["inputs"], part)
            for part in _split(inputs, specs, self._parameters["max_request_bytes"])
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _infer(
        self, signature: str, specs: list[dict[str, Any]], inputs: Columns
    ) -> dict[str, NDArray[Any]]:
        datatypes = {spec["name"]: spec["datatype"] for spec in specs}
        tensors, parts = [], []
        for name, values in inputs.items():
            kind = datatypes.get(name, "FP32")
            parts.append(np.ascontiguousarray(values, _DATATYPES[kind]).tobytes())
            tensors.append(
                {
                    "name": name,
                    "datatype": kind,
                    "shape": list(values.shape),
                    "parameters": {"binary_data_size": len(parts[-1])},
                }
            )
        asked = {"signature_name": signature, "binary_data_output": True}
        head = json.dumps({"parameters": asked, "inputs": tensors}).encode()
        response = self._ask(
            "POST",
            self._path + "/infer",
            data=b"".join([head, *parts]),
            headers={
                "content-type": "application/octet-stream",
                _JSON_LENGTH: str(len(head)),
            },
        )
        return _read_outputs(response)

    def _get(self, path: str) -> Any:
        return self._ask("GET", path).json()

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        url = self._url + path
        try:
            response = self._session.request(
                method, url, timeout=self._timeout, **request
            )
        except requests.RequestException as error:
            reason = type(error).__name__
            raise ServerError(f"{self._url}: does not answer ({reason})") from None
        if response.ok:
            return response
        try:
            reason = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            reason = response.reason
        raise ServerError(f"{url}: {response.status_code} {reason}")


def encode_remotely(
    url: str,
    inputs: Sequence[str | Path],
    *,
    out: Path | None = None,
    overwrite: bool = False,
    batch_size: int = 16,
    progress: bool = True,
) -> Latents:
    """
    Prepare files here and encode them there.

    Parameters
    ----------
    url : str
        REST address of the server, such as ``http://127.0.0.1:8501``.
    inputs : sequence of str or Path
        Files, and folders that are searched for files.
    out : Path, optional
        Table to write.
    overwrite : bool, default False
        Whether `out` may exist.
    batch_size : int, default 16
        Spectra a request.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    latents : Latents
        The same as of `SpectrumModel.encode` with the run of the served model.

    Raises
    ------
    ServerError
        If an input is a folder of records, or the server does not answer.
    InputError
        If an input does not exist.
    TableError
        If `out` cannot be written.
    BusyError
        If another process is writing it.
    """
    folders = [Path(path) for path in inputs]
    for path in folders:
        if is_records(path):
            raise ServerError(
                f"{path}: is a folder of records, which only a run encodes; name the "
                f"files"
            )
    paths = discover(folders)
    with writing_table(out, overwrite=overwrite), Client(url) as client:

        def encode(batch: Batch) -> Columns:
            code = client.encode(batch.flux)
            return {name: code[name] for name in OUTPUTS}

        latents = encode_prepared(
            paths, client.grid, client.convert, batch_size, encode, progress
        )
        if out is not None and len(latents):
            write_table(latents.table, out, overwrite=overwrite)
    return latents


def _split(
    inputs: Columns, specs: dict[str, list[dict[str, Any]]], max_bytes: int
) -> Iterator[Columns]:
    """Cut a batch so that neither a request nor its answer is too large."""
    shapes = [spec["shape"] for key in ("inputs", "outputs") for spec in specs[key]]
    n_rows = len(next(iter(inputs.values()), ()))
    # A vector is one spectrum, not a batch of numbers.
    has_rows = all(len(spec["shape"]) > 1 for spec in specs["inputs"])
    if not (n_rows and has_rows and all(shape[:1] == [-1] for shape in shapes)):
        yield inputs
        return
    row_bytes = max(
        sum(8 * int(np.prod(np.abs(spec["shape"][1:]))) for spec in specs[key])
        for key in ("inputs", "outputs")
    )
    n_most = max(1, (max_bytes - _ROOM_FOR_JSON) // row_bytes)
    for i in range(0, n_rows, n_most):
        yield {name: values[i : i + n_most] for name, values in inputs.items()}


def _read_outputs(response: requests.Response) -> dict[str, NDArray[Any]]:
    n_json = int(response.headers[_JSON_LENGTH])
    outputs, begin = {}, n_json
    for tensor in json.loads(response.content[:n_json])["outputs"]:
        end = begin + tensor["parameters"]["binary_data_size"]
        values = np.frombuffer(
            response.content[begin:end], _DATATYPES[tensor["datatype"]]
        )
        outputs[tensor["name"]] = values.reshape(tensor["shape"])
        begin = end
    return outputs
