"""The server of the page, on this machine and for it alone unless told otherwise."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from typing import Any

import panel as pn

from stellar_tf.explore.controls import CHUNK_BYTES
from stellar_tf.explore.dimensions import ExploreError
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.page import Page

_LOOPBACK = ("127.0.0.1", "localhost")


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
        return pn.serve(
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
        For a loopback address its names; else those of this machine as well. Pages of
        other origins may not connect: a browser that has both open keeps them apart.
    """
    names = {*_LOOPBACK}
    if not is_loopback(host):
        machine = socket.gethostname()
        names |= {host, machine, socket.getfqdn()}
        # Not every machine can resolve its own name.
        with contextlib.suppress(socket.gaierror):
            names |= {str(info[4][0]) for info in socket.getaddrinfo(machine, None)}
    # Bokeh cannot read numeric IPv6 origins; such hosts are reached by their names.
    return sorted(f"{name}:{port}" for name in names if ":" not in name)


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


def is_loopback(host: str) -> bool:
    """
    Tell whether an address is reached from this machine only.

    Parameters
    ----------
    host : str
        Name or address.

    Returns
    -------
    answer : bool
        True for localhost and the loopback network.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
