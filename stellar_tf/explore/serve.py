"""The server of the page, on this machine and for it alone unless told otherwise."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Collection
from typing import Any

import panel as pn
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError

from stellar_tf.addresses import is_asked_by_name, is_loopback, list_names
from stellar_tf.explore.controls import CHUNK_BYTES
from stellar_tf.explore.dimensions import ExploreError
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.page import Page


def build_server(
    explorer: Explorer, host: str, port: int, *, show: bool = False
) -> Any:
    """
    Bind the address and prepare the page.

    Parameters
    ----------
    explorer : Explorer
        The run.
    host : str
        Address to listen at.
    port : int
        Its port; 0: any that is free.
    show : bool, default False
        Whether a browser is opened when the server starts.

    Returns
    -------
    server : panel.io.server.Server
        Not started yet; its ``port`` is bound.

    Raises
    ------
    ExploreError
        If the address cannot be had.
    """
    pn.extension("filedropper")
    try:
        port = _find_port(host, port)
        server = pn.serve(
            {"/": lambda: Page(explorer).build()},
            address=host,
            port=port,
            websocket_origin=list_origins(host, port),
            # A message is a piece of a file, in base64.
            websocket_max_message_size=2 * CHUNK_BYTES,
            show=show,
            start=False,
            verbose=False,
            admin=False,
        )
    except OSError as error:
        raise ExploreError(_explain(error, host, port)) from None
    rule = Rule(_NotForUs(list_names(host)), _Refusal)
    # Bokeh hands its application out by no other name.
    server._tornado.default_router.rules.insert(0, rule)
    server.io_loop.asyncio_loop.set_exception_handler(_handle_error)
    return server


def _handle_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell of errors but for those of a page that is closed while it is written to."""
    # Bokeh expects them, but not where Tornado finishes a message by itself.
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


class _NotForUs(Matcher):
    """Requests by the name of another server, and for what lets other pages in."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        # Bokeh's autoload.js embeds the page in those of any origin.
        is_ours = is_asked_by_name(request.headers.get("Host", ""), self._names)
        return None if is_ours and "autoload" not in request.path else {}


class _Refusal(RequestHandler):
    """Says no."""

    def prepare(self) -> None:
        self.send_error(403, reason="Not by this name")


def run_server(server: Any) -> None:
    """
    Serve until the person interrupts.

    Parameters
    ----------
    server : panel.io.server.Server
        As of `build_server`.
    """
    server.start()
    # Panel ends the loop at Ctrl-C.
    server.io_loop.start()
    server.stop()


def list_origins(host: str, port: int) -> list[str]:
    """
    List the addresses a page of this server may have in a browser.

    Parameters
    ----------
    host : str
        Address the server listens at.
    port : int
        Its port.

    Returns
    -------
    origins : list of str
        Those of `list_names`. Pages of other origins may not connect: a browser that
        has both open keeps them apart.
    """
    # Bokeh cannot read numeric IPv6 origins; such hosts are reached by their names.
    return sorted(f"{name}:{port}" for name in list_names(host) if ":" not in name)


def name_url(host: str, port: int) -> str:
    """
    Say where a browser finds the page.

    Parameters
    ----------
    host : str
        Address the server listens at.
    port : int
        Its port.

    Returns
    -------
    url : str
        One of `list_origins`.
    """
    if is_loopback(host):
        host = host if host.startswith("127.") else "localhost"
    elif ":" in host or host == "0.0.0.0":
        host = socket.gethostname()
    return f"http://{host}:{port}/"


def _find_port(host: str, port: int) -> int:
    """Tell whether the port can be had; for 0 which one, since Bokeh must know it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:
        return int(probe.getsockname()[1])


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port}: is in use; choose another one"
    if error.errno == errno.EACCES:
        return f"port {port}: may not be opened; choose one above 1023"
    return f"host {host}: cannot be listened at ({error.strerror})"
