"""The protocols, as KServe's clients and plain HTTP speak them."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from stellar_tf.serving.client import Client
from tests.stellar_tf.serving.conftest import Server


def as_rows(flux: np.ndarray) -> list[list[float | None]]:
    """For JSON, which has no NaN."""
    return [[None if np.isnan(v) else float(v) for v in row] for row in flux]


def assert_same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(got) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-5)


def test_kserves_clients_find_it_ready(server: Server) -> None:
    async def ask() -> list[bool]:
        answers = []
        for protocol in ("v1", "v2"):
            client = InferenceRESTClient(RESTConfig(protocol=protocol))
            answers.append(await client.is_server_live(server.url))
            answers.append(await client.is_model_ready(server.url, "small"))
            if protocol == "v2":
                answers.append(await client.is_server_ready(server.url))
            await client.close()
        async with InferenceGRPCClient(f"127.0.0.1:{server.grpc_port}") as client:
            answers.append(await client.is_server_ready())
            answers.append(await client.is_model_ready("small"))
        return answers

    assert asyncio.run(ask()) == [True] * 7


@pytest.mark.parametrize("path", ["small", "small/versions/1"])
def test_predict_takes_rows_and_columns(
    path: str, server: Server, signatures: Any, flux: np.ndarray
) -> None:
    url = f"{server.url}/v1/models/{path}:predict"
    expected = signatures["encode"](flux=flux)
    rows = as_rows(flux)
    for body in (
        {"instances": rows},
        {"signature_name": "encode", "instances": [{"flux": row} for row in rows]},
    ):
        predictions = requests.post(url, json=body).json()["predictions"]
        columns = {key: [row[key] for row in predictions] for key in predictions[0]}
        assert_same(columns, expected)
    for inputs in (rows, {"flux": rows}):
        answer = requests.post(url, data=json.dumps({"inputs": inputs})).json()
        assert_same(answer["outputs"], expected)


def test_a_single_output_goes_without_its_name(server: Server, signatures: Any) -> None:
    url = f"{server.url}/v1/models/small:predict"
    z = [[0.5, -1.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]]
    expected = signatures["decode"](z=np.float32(z))["flux"]
    for key, answer_key in (("instances", "predictions"), ("inputs", "outputs")):
        body = {"signature_name": "decode", key: z}
        answer = requests.post(url, json=body).json()
        np.testing.assert_allclose(answer[answer_key], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("signature", ["encode", "reconstruct"])
@pytest.mark.parametrize("binary", [True, False])
def test_kserves_rest_client_infers(
    signature: str, binary: bool, server: Server, signatures: Any, flux: np.ndarray
) -> None:
    values = flux if binary else np.nan_to_num(flux, nan=7.0)
    tensor = InferInput("flux", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    parameters = {"signature_name": signature, "binary_data_output": binary}
    request = InferRequest("small", [tensor], parameters=parameters, request_id="7")

    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        try:
            return await client.infer(server.url, request, model_name="small")
        finally:
            await client.close()

    response = asyncio.run(ask())
    assert response.id == "7"
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    assert_same(outputs, signatures[signature](flux=values))


@pytest.mark.parametrize("raw", [True, False])
def test_kserves_grpc_client_infers(
    raw: bool, server: Server, signatures: Any, flux: np.ndarray
) -> None:
    data = flux if raw else flux.ravel().tolist()
    request = InferRequest(
        "small",
        [InferInput("flux", list(flux.shape), "FP32", data)],
        parameters={"signature_name": "encode"},
        model_version="1",
    )

    async def ask() -> Any:
        async with InferenceGRPCClient(f"127.0.0.1:{server.grpc_port}") as client:
            return await client.infer(request)

    response = asyncio.run(ask())
    assert (response.model_name, response.model_version) == ("small", "1")
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    assert_same(outputs, signatures["encode"](flux=flux))


def test_outputs_can_be_chosen_one_by_one(server: Server, flux: np.ndarray) -> None:
    tensor = {"name": "flux", "datatype": "FP32", "shape": [1, 1000]}
    body = {
        "inputs": [{**tensor, "data": np.nan_to_num(flux[0]).tolist()}],
        "outputs": [
            {"name": "z_mean"},
            {"name": "median_flux", "parameters": {"binary_data": True}},
        ],
        "parameters": {"binary_data_output": False},
    }
    response = requests.post(f"{server.url}/v2/models/small/infer", json=body)
    n_json = int(response.headers["inference-header-content-length"])
    outputs = json.loads(response.content[:n_json])["outputs"]
    assert {output["name"] for output in outputs} == {"z_mean", "median_flux"}
    assert [len(output.get("data", ())) for output in outputs if "data" in output] == [
        4
    ]
    assert len(response.content) - n_json == 4


def test_metadata_by_rest_and_grpc_agree(server: Server) -> None:
    rest = requests.get(f"{server.url}/v2/models/small").json()
    assert rest["versions"] == ["1"]
    assert rest["platform"] == "tensorflow_savedmodel"
    assert rest["inputs"] == [{"name": "flux", "datatype": "FP32", "shape": [-1, 1000]}]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        answer, call = stub.ModelMetadata.with_call(
            pb.ModelMetadataRequest(name="small", version="1")
        )
        extensions = stub.ServerMetadata(pb.ServerMetadataRequest()).extensions
    assert [tensor.name for tensor in answer.outputs] == [
        tensor["name"] for tensor in rest["outputs"]
    ]
    trailing = dict(call.trailing_metadata())
    grid = json.loads(trailing["model-parameters"])["grid"]
    assert grid == rest["parameters"]["grid"]
    assert list(extensions) == ["binary_tensor_data"]
    state = requests.get(f"{server.url}/v1/models/small/versions/1").json()
    assert state["model_version_status"][0]["state"] == "AVAILABLE"
    assert requests.get(f"{server.url}/v1/models").json() == {"models": ["small"]}


def test_concurrent_requests_get_their_own_rows(
    server: Server, signatures: Any, flux: np.ndarray
) -> None:
    """Of different lengths, through both protocols, in shared calls of the model."""
    expected = signatures["encode"](flux=flux)["z_mean"].numpy()
    chosen = [slice(i % 5, i % 5 + 1 + i % 3) for i in range(60)]
    url = f"{server.url}/v1/models/small:predict"

    def ask(i: int) -> np.ndarray:
        if i % 4:
            with Client(server.url) as client:
                return client.encode(flux[chosen[i]])["z_mean"]
        answer = requests.post(url, json={"instances": as_rows(flux[chosen[i]])})
        return np.array([row["z_mean"] for row in answer.json()["predictions"]])

    with ThreadPoolExecutor(16) as pool:
        for part, got in zip(chosen, pool.map(ask, range(60)), strict=True):
            np.testing.assert_allclose(got, expected[part], rtol=1e-4, atol=1e-5)
    metrics = requests.get(f"{server.url}/metrics").text
    assert 'request_predict_seconds_count{model_name="small"}' in metrics
    assert 'batch_rows_bucket{le="32.0",model_name="small"' in metrics


def test_it_listens_on_one_address_only(server: Server) -> None:
    """127.0.0.2 is this machine too, and not the address it was told."""
    for port in (server.port, server.grpc_port):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.2:{port}/")
