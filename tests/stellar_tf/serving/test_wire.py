"""What a gRPC message holds, counted without the parser that builds it."""

from __future__ import annotations

import pytest
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from stellar_tf.serving.wire import MAX_FIELDS, parse_bounded

MAX_BYTES = 1000
KIND = pb.ModelInferRequest
TENSOR = KIND.InferInputTensor


def parse(content: bytes) -> pb.ModelInferRequest:
    return parse_bounded(content, KIND, MAX_BYTES)


def test_a_request_arrives_as_it_was() -> None:
    tensor = TENSOR(name="flux", datatype="FP32", shape=[2, 300])
    tensor.contents.fp32_contents.extend([0.5] * 600)
    tensor.parameters["a"].int64_param = -1
    request = KIND(model_name="m", inputs=[tensor], raw_input_contents=[bytes(5000)])
    request.parameters["signature_name"].string_param = "decode"
    assert parse(request.SerializeToString()) == request
    assert parse(b"") == KIND()


@pytest.mark.parametrize("n", [MAX_FIELDS, MAX_FIELDS + 1])
def test_fields_are_counted_at_every_depth(n: int) -> None:
    tensor = TENSOR()  # itself one field of the request, and contents one of its own
    tensor.contents.bytes_contents.extend([b""] * (n - 2))
    content = KIND(inputs=[tensor]).SerializeToString()
    if n == MAX_FIELDS:
        assert len(parse(content).inputs[0].contents.bytes_contents) == n - 2
        return
    with pytest.raises(InvalidInput, match=f"more than {MAX_FIELDS} fields"):
        parse(content)


@pytest.mark.parametrize(("n", "fits"), [(125, True), (126, False)])
def test_integers_count_as_what_is_built_of_them(n: int, fits: bool) -> None:
    content = KIND(inputs=[TENSOR(shape=[1] * n)]).SerializeToString()
    assert len(content) < 2 * n
    if fits:
        assert len(parse(content).inputs[0].shape) == n
        return
    with pytest.raises(InvalidInput, match="shape has too many integers"):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\x2a",  # a tag without its value
        b"\x2a\x05abc",  # shorter than it says
        b"\x2b\x2c",  # a group
        b"\xff" * 12,  # an endless number
        b"\x0a\x02\xff\xfe",  # a name that is no text
        b"\x0d\x00",  # four bytes of which one is there
    ],
)
def test_other_bytes_are_told(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="is no ModelInferRequest"):
        parse(content)
