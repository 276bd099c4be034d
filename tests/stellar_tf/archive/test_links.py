from __future__ import annotations

from pathlib import Path

import pytest
import requests

from stellar_tf.archive.download import Access, _connect
from stellar_tf.archive.errors import NoAnswerError, TransferError
from stellar_tf.archive.links import Link, resolve
from stellar_tf.archive.products import Product
from stellar_tf.archive.task import Task
from tests.stellar_tf.archive.eso_server import EsoServer


def ask(access: Access, product: Product) -> Link:
    with _connect(access) as (session, _):
        return resolve(session, product)


@pytest.mark.parametrize("serialization", ["binary2", "tabledata"])
@pytest.mark.parametrize("no_lengths", [False, True])
def test_the_link_is_that_of_the_file_itself(
    serialization: str,
    no_lengths: bool,
    server: EsoServer,
    access: Access,
    product: Product,
) -> None:
    server.serialization = serialization
    server.mishaps.no_lengths = no_lengths
    size = None if no_lengths else server.files[product.dp_id].stat().st_size
    url = f"{server.url}/dataPortal/file/{product.dp_id}"
    assert ask(access, product) == Link(url, size)


def test_a_file_without_links_is_its_own(
    server: EsoServer, access: Access, product: Product
) -> None:
    direct = product._replace(access_format="application/fits", access_url="http://x/y")
    assert ask(access, direct) == Link("http://x/y", None)
    assert server.requests == []


def test_what_the_archive_says_against_it(
    server: EsoServer, access: Access, product: Product
) -> None:
    del server.files[product.dp_id]
    message = f"the archive says: NotFoundFault: {product.dp_id}"
    with pytest.raises(TransferError, match=message):
        ask(access, product)


PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>We &amp; you:\n sorry</title></head></html>"
)


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (200, PAGE, 'the archive answers: a web page, "We & you: sorry"'),
        (200, b"<html></html>", "the archive answers: a web page$"),
        (200, b"", "no links, the archive answers"),
        (200, b"<VOTABLE><RESOURCE", "no links, the archive answers"),
        (404, b"", "HTTP 404 Not Found"),
        (403, b"", "HTTP 403.*not public"),
        (503, b"", "HTTP 503 Service Unavailable"),
    ],
)
def test_no_links(
    status: int,
    content: bytes,
    message: str,
    server: EsoServer,
    access: Access,
    product: Product,
) -> None:
    server.mishaps.answers[f"links/{product.dp_id}"] = [(status, {}, content)] * 9
    with pytest.raises(TransferError, match=message) as caught:
        ask(access, product)
    no_answer = status == 503 or "web page" in message
    assert isinstance(caught.value, NoAnswerError) is no_answer
    assert "\n" not in str(caught.value)
    busy = 1 + access.n_retries if status == 503 else 1
    assert len(server.asked(f"links/{product.dp_id}")) == busy


def test_no_address(access: Access, product: Product) -> None:
    with pytest.raises(TransferError, match="gives no address"):
        ask(access, product._replace(access_url=""))


def test_links_without_end_are_not_read(
    server: EsoServer,
    access: Access,
    product: Product,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stellar_tf.archive.session._MAX_ANSWER", 1000)
    with pytest.raises(NoAnswerError, match="an answer of more than 1000 bytes"):
        ask(access, product)


def test_a_name_too_long_for_a_file_is_not_asked_for(
    server: EsoServer, access: Access, product: Product, tmp_path: Path
) -> None:
    with _connect(access) as (session, retry):
        task = Task(session, retry, tmp_path, overwrite=False)
        with pytest.raises(TransferError, match="cannot be a file's name"):
            task.download(product._replace(dp_id="A" * 300))
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "location", "is_kept"),
    [
        ("https://a.example/x", "https://b.example/y", True),
        ("https://a.example/x", "/y", True),
        ("http://a.example/x", "https://b.example/y", True),
        ("https://a.example/x", "http://a.example/x", False),
        ("https://a.example/x", "//b.example/y", True),
        ("https://a.example/x", "file:///etc/passwd", False),
    ],
)
def test_no_redirect_leaves_https(
    url: str, location: str, is_kept: bool, access: Access
) -> None:
    answer = requests.Response()
    answer.status_code, answer.url = 302, url
    answer.headers["location"] = location
    with _connect(access) as (session, _):
        if is_kept:
            assert session.get_redirect_target(answer) == location
            return
        with pytest.raises(requests.RequestException, match="leads away from https"):
            session.get_redirect_target(answer)
