from __future__ import annotations

import socket

import pytest

from stellar_tf.explore.dimensions import ExploreError
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.serve import build_server, is_loopback, list_origins, name_url


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False),
     ("10.1.2.3", False), ("example.org", False)],
)  # fmt: skip
def test_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) == answer


def test_only_pages_of_this_server_may_connect() -> None:
    assert list_origins("127.0.0.1", 5006) == ["127.0.0.1:5006", "localhost:5006"]
    wide = list_origins("0.0.0.0", 80)
    assert f"{socket.gethostname()}:80" in wide
    assert not any("*" in origin for origin in wide)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::"])
def test_the_page_is_found_where_it_may_connect(host: str) -> None:
    url = name_url(host, 5006)
    assert url.removeprefix("http://").rstrip("/") in list_origins(host, 5006)


def test_a_port_in_use_is_told(explorer: Explorer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExploreError, match=f"port {port}: is in use"):
            build_server(explorer, "127.0.0.1", port)


def test_an_address_of_another_machine_is_told(explorer: Explorer) -> None:
    with pytest.raises(ExploreError, match=r"host 192.0.2.1: cannot be listened at"):
        build_server(explorer, "192.0.2.1", 0)
