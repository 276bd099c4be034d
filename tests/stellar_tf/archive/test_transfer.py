from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stellar_tf.archive.download import Access, _connect
from stellar_tf.archive.errors import NoAnswerError, TransferError
from stellar_tf.archive.links import Link
from stellar_tf.archive.products import Product
from stellar_tf.archive.transfer import Fetched, fetch
from tests.stellar_tf.archive.conftest import FakeTime
from tests.stellar_tf.archive.eso_server import EsoServer

Fetch = Callable[[], Fetched]


@pytest.fixture
def content(server: EsoServer, product: Product) -> bytes:
    return server.files[product.dp_id].read_bytes()


@pytest.fixture
def what(product: Product) -> str:
    return f"file/{product.dp_id}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.fits"


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / ".a.fits.partial"


@pytest.fixture
def fetch_file(
    server: EsoServer, access: Access, product: Product, content: bytes, path: Path
) -> Fetch:
    url = f"{server.url}/dataPortal/file/{product.dp_id}"

    def fetch_file() -> Fetched:
        size = None if server.mishaps.no_lengths else len(content)
        with _connect(access) as (session, retry):
            return fetch(session, Link(url, size), path, retry)

    return fetch_file


def check(fetched: Fetched, path: Path, content: bytes) -> None:
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == content
    assert fetched == Fetched(path, len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("no_lengths", [False, True])
def test_a_file_comes(
    no_lengths: bool, server: EsoServer, fetch_file: Fetch, path: Path, content: bytes
) -> None:
    server.mishaps.no_lengths = no_lengths
    check(fetch_file(), path, content)


def test_a_broken_connection_goes_on_where_it_ended(
    server: EsoServer, fetch_file: Fetch, what: str, path: Path, content: bytes
) -> None:
    server.mishaps.breaks[what] = [3000, 5000, 1]
    check(fetch_file(), path, content)
    ranges = [headers.get("Range") for headers in server.asked(what)]
    assert ranges == [None, "bytes=3000-", "bytes=8000-", "bytes=8001-"]


def test_a_server_without_ranges_begins_again(
    server: EsoServer, fetch_file: Fetch, what: str, path: Path, content: bytes
) -> None:
    server.mishaps.no_ranges = True
    server.mishaps.breaks[what] = [3000, 5000]
    check(fetch_file(), path, content)


def test_progress_is_no_failure(
    server: EsoServer, fetch_file: Fetch, what: str, path: Path, content: bytes
) -> None:
    server.mishaps.breaks[what] = [1000] * 12  # of which 3 would be forgiven
    check(fetch_file(), path, content)


def test_what_an_earlier_run_left_is_gone_on_with(
    server: EsoServer,
    fetch_file: Fetch,
    what: str,
    path: Path,
    partial: Path,
    content: bytes,
) -> None:
    partial.write_bytes(content[:7000])
    check(fetch_file(), path, content)
    assert [headers["Range"] for headers in server.asked(what)] == ["bytes=7000-"]


@pytest.mark.parametrize("no_lengths", [False, True])
def test_a_whole_partial_file_is_only_checked(
    no_lengths: bool,
    server: EsoServer,
    fetch_file: Fetch,
    what: str,
    path: Path,
    partial: Path,
    content: bytes,
) -> None:
    server.mishaps.no_lengths = no_lengths
    partial.write_bytes(content)
    check(fetch_file(), path, content)
    assert len(server.asked(what)) == no_lengths  # "416: no more than you have"


@pytest.mark.parametrize("no_lengths", [False, True])
@pytest.mark.parametrize("n_bytes", [7000, 100_000])
def test_the_beginning_of_another_version_is_thrown_away(
    no_lengths: bool,
    n_bytes: int,
    server: EsoServer,
    fetch_file: Fetch,
    path: Path,
    partial: Path,
    content: bytes,
) -> None:
    # Of the same header and other data: only the checksum tells.
    server.mishaps.no_lengths = no_lengths
    other = bytearray((content * 9)[:n_bytes])
    other[-100] ^= 1
    partial.write_bytes(other)
    check(fetch_file(), path, content)


@pytest.mark.parametrize(
    ("spoil", "no_lengths", "message"),
    [
        (lambda c: c[:-2880], False, "bytes instead of the"),
        (lambda c: c[:-2880], True, "truncated: .* bytes of data are missing"),
        (lambda c: c + bytes(2880), False, "more than the .* bytes announced"),
        (lambda c: c[:-9000] + b"\x01" + c[-8999:], False, "not fit its CHECKSUM"),
        (lambda c: c.replace(b"HARPS", b"UVES "), False, "not fit its CHECKSUM"),
        (lambda c: bytes(len(c)), False, "not a FITS file"),
        (lambda c: b"", True, "the file is empty"),
        (lambda c: b"<html><title>Log in</title>", True, 'sends a web page, "Log in"'),
    ],
)
def test_a_bad_file_is_not_taken(
    spoil: Callable[[bytes], bytes],
    no_lengths: bool,
    message: str,
    server: EsoServer,
    fetch_file: Fetch,
    what: str,
    path: Path,
    product: Product,
    content: bytes,
) -> None:
    server.mishaps.no_lengths = no_lengths
    server.mishaps.contents[product.dp_id] = spoil(content)
    with pytest.raises(TransferError, match=message):
        fetch_file()
    assert len(server.asked(what)) == 2
    # Nothing of it is taken for the beginning of a better one.
    assert list(path.parent.iterdir()) == []
    del server.mishaps.contents[product.dp_id]
    check(fetch_file(), path, content)


def test_a_connection_that_always_breaks_to_a_bad_file_is_given_up(
    server: EsoServer, fetch_file: Fetch, what: str, product: Product, content: bytes
) -> None:
    server.mishaps.contents[product.dp_id] = content[:-9000] + bytes(9000)
    server.mishaps.breaks[what] = [3000, 10**9] * 50
    with pytest.raises(TransferError, match="not fit its CHECKSUM"):
        fetch_file()
    assert len(server.asked(what)) < 10


def test_a_connection_that_brings_nothing_is_given_up(
    server: EsoServer, fetch_file: Fetch, what: str, access: Access, partial: Path
) -> None:
    server.mishaps.breaks[what] = [3000] + [0] * 50
    with pytest.raises(NoAnswerError, match="the connection broke"):
        fetch_file()
    assert len(server.asked(what)) == 1 + access.n_retries
    assert partial.stat().st_size == 3000


def test_a_web_page_in_passing(
    server: EsoServer, fetch_file: Fetch, what: str, path: Path, content: bytes
) -> None:
    page = (200, {"Content-Type": "text/html"}, b"<html><body>Back soon</body></html>")
    server.mishaps.answers[what] = [page]
    check(fetch_file(), path, content)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_it_asks_for(
    status: int,
    server: EsoServer,
    fetch_file: Fetch,
    what: str,
    path: Path,
    content: bytes,
    time: FakeTime,
) -> None:
    server.mishaps.answers[what] = [(status, {"Retry-After": "61"}, b"")] * 2
    check(fetch_file(), path, content)
    assert time.waits.count(61.0) == 2


def test_without_such_a_wish_the_waits_grow(
    server: EsoServer, fetch_file: Fetch, what: str, time: FakeTime
) -> None:
    server.mishaps.answers[what] = [(503, {}, b"")] * 9
    with pytest.raises(NoAnswerError, match="HTTP 503"):
        fetch_file()
    long = [wait for wait in time.waits if wait > 1.0]  # the others are the rate limit
    assert len(long) == 2
    assert 2.0 <= long[0] <= 2.5
    assert 4.0 <= long[1] <= 4.5


@pytest.mark.parametrize(("status", "message"), [(404, "404 Not"), (401, "public")])
def test_a_refusal_is_believed(
    status: int, message: str, server: EsoServer, fetch_file: Fetch, what: str
) -> None:
    server.mishaps.answers[what] = [(status, {}, b"")] * 9
    with pytest.raises(TransferError, match=message) as caught:
        fetch_file()
    assert not isinstance(caught.value, NoAnswerError)
    assert len(server.asked(what)) == 1


def test_a_gzipped_file_is_called_so(
    server: EsoServer, access: Access, path: Path, product: Product, content: bytes
) -> None:
    zipped = gzip.compress(content)
    server.mishaps.contents[product.dp_id] = zipped
    link = Link(f"{server.url}/dataPortal/file/{product.dp_id}", len(zipped))
    with _connect(access) as (session, retry):
        fetched = fetch(session, link, path, retry)
    check(fetched, path.with_name("a.fits.gz"), zipped)


def test_another_range_than_asked_for_is_not_appended(
    server: EsoServer,
    fetch_file: Fetch,
    what: str,
    path: Path,
    partial: Path,
    content: bytes,
) -> None:
    partial.write_bytes(content[:7000])
    wrong = {"Content-Range": f"bytes 0-99/{len(content)}"}
    server.mishaps.answers[what] = [(206, wrong, content[:100])]
    check(fetch_file(), path, content)


def test_a_file_without_end_or_length_is_cut(
    server: EsoServer,
    fetch_file: Fetch,
    path: Path,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stellar_tf.archive.transfer.MAX_BYTES", len(content) - 1)
    server.mishaps.no_lengths = True
    with pytest.raises(TransferError, match=r"more than \d+ bytes: no spectrum"):
        fetch_file()
    server.mishaps.no_lengths = False
    with pytest.raises(TransferError, match=r"\d+ bytes announced: no spectrum"):
        fetch_file()
    assert not list(path.parent.iterdir())
