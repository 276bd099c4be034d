"""What no client should send: refused with a reason, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from stellar_tf.serving.client import Client
from tests.stellar_tf.serving.conftest import Server

PREDICT, INFER = "/v1/models/small:predict", "/v2/models/small/infer"
GOOD = [1.0] * 1000
TENSOR = {"name": "flux", "datatype": "FP32", "shape": [1, 1000]}


@pytest.fixture(autouse=True)
def still_there(server: Server, flux: np.ndarray) -> Iterator[None]:
    """After each of these tests it answers as before."""
    yield
    with Client(server.url) as client:
        assert np.isfinite(client.encode(flux[0])["z_mean"]).all()
    assert server.process.poll() is None


def infer(**changes: Any) -> dict[str, Any]:
    tensor = {**TENSOR, "data": GOOD, **changes}
    return {"inputs": [{k: v for k, v in tensor.items() if v is not None}]}


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (PREDICT, b"", "not JSON"),
        (PREDICT, b"{", "not JSON"),
        (PREDICT, b'{"instances": [[NaN]]}', "a bad pixel is null"),
        (PREDICT, b"\xff\xfe", "not JSON"),
        (PREDICT, b"[" * 50_000 + b"]" * 50_000, "not JSON"),
        (PREDICT, b'{"inputs":' + b"[" * 900 + b"]" * 900 + b"}", "deeper than 8"),
        (PREDICT, b'{"inputs":[' + b"[]," * 99_999 + b"[]]}", "of 65536 at most"),
        (PREDICT, b'{"inputs":[' + b"{}," * 99_999 + b"{}]}", "of 65536 at most"),
        (PREDICT, b'{"inputs":[' + b'"",' * 99_999 + b'""]}', "of 65536 at most"),
        # Each would be given the room of the longest.
        (PREDICT, {"inputs": ["x" * 500_000] + ["a"] * 50_000}, "must hold FP32"),
        (PREDICT, [], "must be a JSON object"),
        (PREDICT, {}, "either instances or inputs"),
        (PREDICT, {"instances": [GOOD], "inputs": [GOOD]}, "either"),
        (PREDICT, {"instances": []}, "at least one row"),
        (PREDICT, {"instances": {"flux": 1}}, "at least one row"),
        (PREDICT, {"instances": [{"flux": GOOD}, {"f": GOOD}]}, "the same inputs"),
        (PREDICT, {"instances": [GOOD, GOOD[:-1]]}, "rectangle"),
        (PREDICT, {"instances": [["a"] * 1000]}, "must hold FP32"),
        (PREDICT, {"instances": [["1"] + [None] * 999]}, "FP32 values or null"),
        (PREDICT, {"instances": [[True] * 1000]}, "must hold FP32"),
        (PREDICT, {"instances": [[{"b64": "AAAA"}]]}, "must hold FP32 values or null"),
        (PREDICT, {"inputs": {"z": [GOOD]}}, "has no input z"),
        (PREDICT, {"inputs": {}}, "takes flux"),
        (PREDICT, {"inputs": GOOD}, "must have shape (any, 1000), got (1000,)"),
        (PREDICT, {"inputs": [[1.0]]}, "must have shape (any, 1000), got (1, 1)"),
        (PREDICT, {"signature_name": "x", "inputs": 1}, "has no signature x"),
        (PREDICT, {"signature_name": ["x"], "inputs": 1}, "no signature"),
        (
            PREDICT,
            {"signature_name": "decode", "inputs": [[0.0] * 4] * 9999},
            "takes at most 262 rows a request here",
        ),
        (INFER, b"{", "not JSON"),
        (INFER, b"[" * 50_000, "not JSON"),
        (INFER, {}, "inputs must be a list"),
        (INFER, {"inputs": [1]}, "inputs must be a list"),
        (INFER, {"inputs": [{}]}, "must have a name"),
        (INFER, {"inputs": []}, "takes flux; got"),
        (INFER, {"inputs": [{}] * 65}, "more than 64 tensors"),
        (INFER, {**infer(), "outputs": [{}] * 65}, "more than 64 tensors"),
        (INFER, infer(data=None), "either data or binary_data_size"),
        (INFER, infer(datatype="FP64"), "must be FP32, got FP64"),
        (INFER, infer(datatype="FP99"), "must be FP32, got FP99"),
        (INFER, infer(shape=[1, 999]), "do not have shape [1, 999]"),
        (INFER, infer(shape=[-1, 1000]), "list of integers"),
        (INFER, infer(shape=[1] * 99), "list of integers"),
        (INFER, infer(shape=[0, 1000], data=[]), "the same number of rows"),
        (INFER, infer(shape="ab"), "list of integers"),
        (INFER, infer(data=GOOD[:5]), "do not have shape"),
        (INFER, infer(data="x" * 1000), "must hold FP32"),
        (INFER, infer(data={"a": 1}), "must hold"),
        (INFER, infer(parameters=[1]), "parameters must be an object"),
        (
            INFER,
            infer(data=None, parameters={"binary_data_size": 4000}),
            "ends before its 4000 bytes",
        ),
        (
            INFER,
            infer(data=None, parameters={"binary_data_size": -4}),
            "must be a number of bytes",
        ),
        (INFER, {"inputs": infer()["inputs"] * 2}, "given twice"),
        (INFER, {**infer(), "outputs": [{"name": "y"}]}, "has no output y"),
        (INFER, {**infer(), "parameters": {"signature_name": "y"}}, "no signature y"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bad_request_is_told_why(
    path: str, body: object, reason: str, server: Server
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = requests.post(server.url + path, data=data)
    assert response.status_code == 400
    assert reason in response.json()["error"]


@pytest.mark.parametrize("length", ["x", "-1", "99999999", "1_0", "9" * 5000])
def test_the_length_of_the_json_must_be_one(length: str, server: Server) -> None:
    headers = {"inference-header-content-length": length}
    response = requests.post(server.url + INFER, data=b"{}", headers=headers)
    assert response.status_code == 400
    assert "a length within the body" in response.json()["error"]


def test_what_is_not_there_is_not_found(server: Server) -> None:
    for method, path in (
        ("POST", "/v1/models/other:predict"),
        ("POST", "/v1/models/small/versions/2:predict"),
        ("POST", "/v2/models/small/versions/x/infer"),
        ("GET", "/v2/models/small/versions/2/ready"),
        ("GET", "/v1/models/other"),
        # KServe has these; a client must not take the model away from the others.
        ("POST", "/v2/repository/models/small/unload"),
        ("POST", "/v2/repository/models/small/load"),
        ("GET", "/openapi.json"),
    ):
        response = requests.request(method, server.url + path, data=b"{}")
        assert response.status_code == 404
        assert response.json()["error"]
    assert requests.get(server.url + INFER).status_code == 405


def _send_200_mb(server: Server, headers: bytes, mark: bytes) -> bytes:
    """Send and send, as long as the server takes it; return what it answered."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: localhost\r\n"
        )
        connection.sendall(headers + b"\r\n\r\n")
        chunk = bytes(1 << 20)
        for _ in range(200):
            connection.sendall(mark + chunk + (b"\r\n" if mark else b""))
        if mark:
            connection.sendall(b"0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        (b"content-length: 209715200", b""),
        (b"transfer-encoding: chunked", b"100000\r\n"),
    ],
)
def test_a_body_of_200_mb_is_too_large(
    headers: bytes, mark: bytes, server: Server
) -> None:
    answer = _send_200_mb(server, headers, mark)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1048576 bytes" in answer


def test_who_asks_first_is_refused_at_once(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: localhost\r\n"
            b"content-length: 209715200\r\nexpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "begin",
    [
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{",
        b"POST / HTTP/1.1\r\nx-slow: ",
        b"",
    ],
)
def test_a_slow_sender_is_given_up(begin: bytes, server: Server) -> None:
    """The answer comes without a further byte from us."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(begin)
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        while connection.recv(65536):  # it closes too
            pass


def test_a_slow_sender_is_given_up_after_a_good_request(server: Server) -> None:
    """The limit holds for each request of a connection, not for the first alone."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"live":true}'):
            answer += connection.recv(65536)
        connection.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert connection.recv(65536) == b""


def test_endless_headers_are_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 100_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("host: evil.example", 421),
        ("host: evil.example:8501", 421),
        ("host: allowed.example\r\ncontent-length: 0", 400),
        ("host: localhost\r\ncontent-length: " + "9" * 5000, 400),
        (
            "host: localhost\r\nexpect: 100-continue\r\ncontent-length: " + "9" * 19,
            413,
        ),
        (
            "host: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked",
            400,
        ),
    ],
)
def test_headers_that_are_refused(headers: str, status: int, server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_not_http_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


_EMPTY = pb.ModelInferRequest.InferInputTensor()
_NAMELESS = pb.ModelInferRequest.InferRequestedOutputTensor()


def _tensor(**changes: Any) -> pb.ModelInferRequest.InferInputTensor:
    return pb.ModelInferRequest.InferInputTensor(**{**TENSOR, **changes})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (pb.ModelInferRequest(model_name="other"), "NOT_FOUND"),
        (pb.ModelInferRequest(model_name="small", model_version="9"), "NOT_FOUND"),
        (pb.ModelInferRequest(model_name="small"), "INVALID_ARGUMENT"),
        (
            pb.ModelInferRequest(
                model_name="small", inputs=[_tensor()], raw_input_contents=[b"abc"]
            ),
            "INVALID_ARGUMENT",
        ),
        (
            pb.ModelInferRequest(
                model_name="small", inputs=[_tensor()], raw_input_contents=[b"", b""]
            ),
            "INVALID_ARGUMENT",
        ),
        (
            pb.ModelInferRequest(
                model_name="small",
                inputs=[_tensor(datatype="BYTES")],
                raw_input_contents=[bytes(4000)],
            ),
            "INVALID_ARGUMENT",
        ),
        (
            pb.ModelInferRequest(
                model_name="small",
                inputs=[_tensor(shape=[1 << 40, 1 << 40])],
                raw_input_contents=[bytes(4000)],
            ),
            "INVALID_ARGUMENT",
        ),
        # Two bytes of the request each; built, each takes a hundred.
        (pb.ModelInferRequest(inputs=[_EMPTY] * 2000), "INVALID_ARGUMENT"),
        (pb.ModelInferRequest(outputs=[_NAMELESS] * 2000), "INVALID_ARGUMENT"),
        (pb.ModelInferRequest(raw_input_contents=[b""] * 2000), "INVALID_ARGUMENT"),
        (
            pb.ModelInferRequest(
                model_name="small", raw_input_contents=[bytes(2 << 20)]
            ),
            "RESOURCE_EXHAUSTED",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_grpc_tells_a_status(
    request_: pb.ModelInferRequest, status: str, server: Server
) -> None:
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        GRPCInferenceServiceStub(channel).ModelInfer(request_)
    assert caught.value.code().name == status


@pytest.mark.parametrize("content", [b"\xff" * 50, b"\x0b" * 50, b"\x0a\x09a"])
@pytest.mark.parametrize("name", ["ModelInfer", "ModelReady", "ModelMetadata"])
def test_bytes_that_are_no_message_are_told(
    name: str, content: bytes, server: Server
) -> None:
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(f"/inference.GRPCInferenceService/{name}")(content)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == f"the request is no {name}Request"


@pytest.mark.parametrize("name", ["ServerLive", "ServerReady", "ServerMetadata"])
def test_a_message_that_says_nothing_is_not_read(name: str, server: Server) -> None:
    """What is too large would be refused, what is no message too."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
        for content in (b"\xff" * 50, b"\xff" * (3 << 20)):
            assert call(content) == call(b"") != b""


def test_long_names_come_back_in_part(server: Server) -> None:
    """Headers of gRPC have room for 8 kB."""
    name = "\N{GLOWING STAR}" * 50_000
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        for call, request, code in (
            (stub.ModelReady, pb.ModelReadyRequest(name=name), "NOT_FOUND"),
            (stub.ModelMetadata, pb.ModelMetadataRequest(name=name), "NOT_FOUND"),
            (stub.ModelInfer, pb.ModelInferRequest(model_name=name), "NOT_FOUND"),
            (
                stub.ModelInfer,
                pb.ModelInferRequest(
                    model_name="small",
                    inputs=[_tensor(name=name)],
                    raw_input_contents=[bytes(4000)],
                ),
                "INVALID_ARGUMENT",
            ),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request)
            assert caught.value.code().name == code
            assert caught.value.details().endswith(f"{name[:9]}...")
    response = requests.post(server.url + INFER, json=infer(name=name))
    assert response.status_code == 400
    assert response.json()["error"].endswith(f"{name[:9]}...")


def test_grpc_does_not_unload(server: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        for call, request in (
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest),
            (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request(model_name="small"))
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelReady(pb.ModelReadyRequest(name="small", version="7"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
