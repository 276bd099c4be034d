from __future__ import annotations

import asyncio
import socket

import pytest
from tornado.websocket import WebSocketClosedError

from stellar_tf.explore.dimensions import ExploreError
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.serve import build_server, list_origins, name_url


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


def test_a_page_that_is_closed_is_no_error(
    explorer: Explorer, caplog: pytest.LogCaptureFixture
) -> None:
    loop = build_server(explorer, "127.0.0.1", 0).io_loop.asyncio_loop
    for error in (WebSocketClosedError(), KeyError("a mistake of ours")):
        loop.call_exception_handler({"message": "in a task", "exception": error})
    (record,) = (r for r in caplog.records if r.levelname == "ERROR")
    assert "a mistake of ours" in record.exc_text


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"Host": "127.0.0.1"}, "/", 200),
        ({"Host": "localhost:1"}, "/", 200),
        ({"Host": "evil.example"}, "/", 403),
        ({"Host": "evil.example"}, "/static/js/bokeh.min.js", 403),
        ({"Host": ""}, "/", 403),
        ({"Origin": "http://evil.example", "Cookie": "a=b"}, "/autoload.js", 403),
        ({"Content-Length": "9" * 5000}, "/", 400),
        ({"Content-Length": "0", "Transfer-Encoding": "chunked"}, "/", 400),
    ],
)
def test_requests_that_are_not_for_this_page(
    headers: dict[str, str], path: str, status: int, explorer: Explorer
) -> None:
    server = build_server(explorer, "127.0.0.1", 0)
    server.start()
    given = {"Host": f"127.0.0.1:{server.port}", "Connection": "close", **headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items()), "", ""]

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write("\r\n".join(lines).encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    try:
        answer = server.io_loop.run_sync(ask)
    finally:
        server.stop()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Access-Control-Allow-Origin" not in answer
