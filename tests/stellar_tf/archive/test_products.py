from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from stellar_tf.archive.download import Access, _connect
from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.products import Product, find_products
from stellar_tf.archive.query import Criteria
from tests.stellar_tf.archive.conftest import N_PUBLIC, FakeTime
from tests.stellar_tf.archive.eso_server import EsoServer


def find(access: Access, limit: int | None = None) -> list[Product]:
    with _connect(access) as (session, _):
        return find_products(session, access.tap_url, Criteria(), limit)


@pytest.mark.parametrize("serialization", ["binary2", "tabledata"])
def test_products_are_what_the_archive_has(
    serialization: str, server: EsoServer, access: Access
) -> None:
    server.serialization = serialization
    rows = sorted(server.rows, key=lambda row: str(row["dp_id"]))
    rows = [row for row in rows if row["dataproduct_type"] == "spectrum"]
    for row, product in zip(rows, find(access), strict=True):
        assert product.dp_id == row["dp_id"]
        assert product.target == row["target_name"]
        assert (product.ra, product.dec) == (row["s_ra"], row["s_dec"])
        assert (product.mjd, product.exptime) == (row["t_min"], row["t_exptime"])
        assert product.program == row["proposal_id"]
        assert product.released == row["obs_release_date"]
        assert product.access_url == row["access_url"]
        if row["snr"] is None:
            assert math.isnan(product.snr)
            assert product.size == 0
        else:
            assert product.snr == row["snr"]
            assert product.size == 1000 * row["access_estsize"]


def test_the_archive_is_told_who_asks(server: EsoServer, access: Access) -> None:
    find(access)
    (headers,) = server.asked("sync")[:1]
    assert headers["User-Agent"].startswith("stellar-tf/")


def test_pages_follow_each_other(
    server: EsoServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = find(access)
    monkeypatch.setattr("stellar_tf.archive.products.ROWS_PER_PAGE", 4)
    assert find(access) == everything
    server.most_rows = 3  # fewer than a page: the archive has a limit of its own
    server.queries.clear()
    assert find(access) == everything
    assert len(server.queries) == math.ceil(len(everything) / 3) + 1
    assert find(access, limit=5) == everything[:5]


def test_a_busy_archive_is_asked_again_when_it_says(
    server: EsoServer, access: Access, time: FakeTime
) -> None:
    server.mishaps.answers["sync"] = [
        (503, {"Retry-After": "37"}, b""),
        (429, {"Retry-After": "11"}, b""),
    ]
    assert len(find(access)) == N_PUBLIC + 1
    assert 37.0 in time.waits
    assert 11.0 in time.waits


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"<html><title>Maintenance</title></html>"), "no answer of a TAP"),
        ((404, {}, b""), "no answer of a TAP service: 404"),
        ((503, {}, b""), "no answer of a TAP service: 503"),
        ((200, {"Content-Length": ""}, b"<VOTABLE><RES"), "no answer of a TAP service"),
    ],
)
def test_no_service(
    answer: tuple[int, dict[str, str], bytes],
    message: str,
    server: EsoServer,
    access: Access,
) -> None:
    server.mishaps.answers["sync"] = [answer] * 9
    with pytest.raises(ArchiveError, match=message) as caught:
        find(access)
    assert str(caught.value).startswith(server.tap)
    assert "\n" not in str(caught.value)


def test_nobody_is_there(time: FakeTime) -> None:
    with pytest.raises(ArchiveError, match="refused"):
        find(Access("http://127.0.0.1:9/tap_obs", n_retries=1))


def test_no_address(time: FakeTime) -> None:
    with pytest.raises(ArchiveError, match="tap must begin with https://"):
        find(Access("archive.eso.org"))


def test_a_refused_query(
    server: EsoServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "stellar_tf.archive.products.build_adql", lambda *_: "SELECT TOP 1 x FROM y"
    )
    with pytest.raises(ArchiveError, match="the query is refused: no such table: y"):
        find(access)


@pytest.mark.parametrize(
    ("released", "public"),
    [
        ("2014-11-13T13:53:35.087Z", True),
        ("2014-11-13T13:53:35", True),
        ("2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:01Z", False),
        ("2999-01-01", False),
        ("", True),
        ("soon", True),
    ],
)
def test_what_is_public(released: str, public: bool, product: Product) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    assert product._replace(released=released).is_public(now) is public
