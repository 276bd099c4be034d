"""By which names this machine's servers may be asked."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost")


def list_names(host: str) -> list[str]:
    """
    List the names and addresses under which a server is reached.

    Parameters
    ----------
    host : str
        Address it listens at.

    Returns
    -------
    names : list of str
        For a loopback address its names; else those of this machine as well.
    """
    names = {*_LOOPBACK}
    if not is_loopback(host):
        machine = socket.gethostname()
        names |= {host, machine, socket.getfqdn()}
        # Not every machine can resolve its own name.
        with contextlib.suppress(socket.gaierror):
            names |= {str(info[4][0]) for info in socket.getaddrinfo(machine, None)}
    return sorted(names)


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


def is_asked_by_name(header: str, names: Collection[str]) -> bool:
    """
    Tell whether a request was meant for this server.

    Parameters
    ----------
    header : str
        Its header ``Host``.
    names : collection of str
        Those of the server.

    Returns
    -------
    answer : bool
        False for a name of somebody else. A page from there could have had its own
        name resolved to this machine (DNS rebinding), to ask in its visitor's place;
        with an address, which nobody resolves, it cannot.
    """
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:  # half an IPv6 address
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".") in {name.lower() for name in names}
    return True
