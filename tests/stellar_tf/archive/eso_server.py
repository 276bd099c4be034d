"""
A server that speaks as the ESO archive does, of simulated spectra.

TAP: the query is run by SQLite, after TOP has become LIMIT; ADQL's other words for what
is asked here are those of SQL, and its two functions of the sky are given to SQLite.
DataLink: previews, ancillary files and a cutout service stand around the file itself.
Files: with or without ranges, and with every mishap of `Mishaps`.
"""

from __future__ import annotations

import io
import re
import sqlite3
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from astropy.coordinates import angular_separation
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import MaskedColumn, Table

DATALINK = "application/x-votable+xml;content=datalink"
FIELDS = {
    "dp_id": str, "target_name": str, "s_ra": float, "s_dec": float, "s_region": str,
    "snr": float, "t_min": float, "t_exptime": float, "instrument_name": str,
    "proposal_id": str, "obs_release_date": str, "access_url": str,
    "access_format": str, "access_estsize": int, "dataproduct_type": str,
}  # fmt: skip


@dataclass
class Mishaps:
    """What goes wrong, by what is asked for: "sync", "links/<id>" or "file/<id>"."""

    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(
        default_factory=dict
    )
    """Status, headers and content to be sent first, one after the other."""
    breaks: dict[str, list[int]] = field(default_factory=dict)
    """Bytes after which the connection is cut, one after the other."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """What is sent as the file instead."""
    no_ranges: bool = False
    no_lengths: bool = False
    """Whether DataLink and the file's headers leave the length out."""
    etag: str = ""


class EsoServer(ThreadingHTTPServer):
    """Serves files under their identifiers."""

    daemon_threads = True

    def __init__(self, files: dict[str, Path], rows: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.mishaps = files, Mishaps()
        self.serialization = "binary2"
        self.most_rows = 1_000_000
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.queries: list[str] = []
        self.n_open, self.most_open = 0, 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.rows = [self._complete(row) for row in rows]

    @property
    def tap(self) -> str:
        return f"{self.url}/tap_obs"

    def asked(self, what: str) -> list[dict[str, str]]:
        """Headers of the requests for something."""
        return [headers for path, headers in self.requests if path == what]

    def _complete(self, row: dict[str, Any]) -> dict[str, Any]:
        links = f"{self.url}/datalink/links?ID=ivo://eso.org/ID?{row['dp_id']}"
        region = f"CIRCLE ICRS {row['s_ra']} {row['s_dec']} 0.0002"
        defaults = {
            "access_url": links, "access_format": DATALINK, "s_region": region,
            "dataproduct_type": "spectrum",
        }  # fmt: skip
        return {**dict.fromkeys(FIELDS), **defaults, **row}

    def query(self, adql: str, maxrec: int) -> tuple[Table, bool]:
        """Run a query; tell also whether rows were left out."""
        connection = sqlite3.connect(":memory:")
        connection.execute("ATTACH ':memory:' AS ivoa")
        names = ", ".join(FIELDS)
        connection.execute(f"CREATE TABLE ivoa.ObsCore ({names})")
        fields = ", ".join(f":{name}" for name in FIELDS)
        connection.executemany(f"INSERT INTO ivoa.ObsCore VALUES ({fields})", self.rows)
        connection.create_function(
            "CIRCLE", 4, lambda *of: "CIRCLE " + " ".join(map(str, of))
        )
        connection.create_function("INTERSECTS", 2, _intersects)
        top = re.fullmatch(r"SELECT TOP (\d+) (.*)", adql, re.DOTALL)
        assert top, adql
        cursor = connection.execute(f"SELECT {top[2]} LIMIT {top[1]}")
        selected = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        most = min(maxrec, self.most_rows)
        return _tabulate(selected, rows[:most]), len(rows) > most


def _intersects(a: str, b: str) -> int:
    (ra1, dec1, r1), (ra2, dec2, r2) = (
        [float(x) for x in text.split()[2:]] for text in (a, b)
    )
    to_radian = 3.141592653589793 / 180.0
    distance = angular_separation(*(x * to_radian for x in (ra1, dec1, ra2, dec2)))
    return int(distance / to_radian <= r1 + r2)


def _tabulate(names: list[str], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(masked=True)
    for i, name in enumerate(names):
        values, kind = [row[i] for row in rows], FIELDS[name]
        table[name] = MaskedColumn(
            [kind() if value is None else value for value in values],
            mask=[value is None for value in values],
            dtype="U200" if kind is str else kind,
            unit="kbyte" if name == "access_estsize" else None,
        )
    return table


class _Handler(BaseHTTPRequestHandler):
    server: EsoServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        with self.server.lock:
            self.server.requests.append(("sync", dict(self.headers)))
        assert urlsplit(self.path).path == "/tap_obs/sync"
        if not self._goes_wrong("sync"):
            self._answer_query(form)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/datalink/links":
            dp_id = unquote(query).removeprefix("ID=ivo://eso.org/ID?")
            what, answer = f"links/{dp_id}", self._answer_links
        else:
            dp_id = unquote(path).removeprefix("/dataPortal/file/")
            what, answer = f"file/{dp_id}", self._answer_file
        with self.server.lock:
            self.server.requests.append((what, dict(self.headers)))
            self.server.n_open += 1
            self.server.most_open = max(self.server.most_open, self.server.n_open)
        try:
            if not self._goes_wrong(what):
                answer(dp_id)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.n_open -= 1

    def _goes_wrong(self, what: str) -> bool:
        with self.server.lock:
            answers = self.server.mishaps.answers.get(what, [])
            if not answers:
                return False
            status, headers, content = answers.pop(0)
        self._send(status, headers, content)
        return True

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            if value:
                self.send_header(name, value)
        if not headers.get("Content-Length", "known"):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(content)

    def _answer_query(self, form: dict[str, list[str]]) -> None:
        assert form["LANG"] == ["ADQL"]
        assert form["REQUEST"] == ["doQuery"]
        self.server.queries.append(form["QUERY"][0])
        maxrec = int(form.get("MAXREC", ["1000000"])[0])
        try:
            table, overflow = self.server.query(form["QUERY"][0], maxrec)
        except sqlite3.Error as error:
            self._send_votable(Table({"x": [0]}), "ERROR", str(error))
            return
        self._send_votable(table, "OVERFLOW" if overflow else "OK")

    def _answer_links(self, dp_id: str) -> None:
        file = self.server.files.get(dp_id)
        size = file.stat().st_size if file else 0
        portal = f"{self.server.url}/dataPortal"
        fault = "" if file else f"NotFoundFault: {dp_id}"
        known = 0 if self.server.mishaps.no_lengths else size
        rows = [
            (f"{portal}/preview/{dp_id}", "", "", "#preview", "image/jpeg", 5000),
            (f"{portal}/file/{dp_id}.tar", "", "", "#auxiliary", "application/tar", 9),
            (f"{portal}/file/{dp_id}" if file else "", "", fault, "#this",
             "application/fits", known),
            ("", f"{dp_id}_soda", "", "#cutout", "application/fits", 0),
        ]  # fmt: skip
        names = ("access_url", "service_def", "error_message", "semantics",
                 "content_type", "content_length")  # fmt: skip
        table = Table(rows=rows, names=names)
        table["ID"] = [f"ivo://eso.org/ID?{dp_id}"] * len(rows)
        table["content_length"] = MaskedColumn(
            table["content_length"], mask=table["content_length"] == 0, unit="byte"
        )
        self._send_votable(table, "OK")

    def _send_votable(self, table: Table, status: str, message: str = "") -> None:
        votable = from_table(table)
        resource = votable.resources[0]
        resource.type = "results"
        info = Info(name="QUERY_STATUS", value=status)
        info.content = message
        resource.infos.append(info)
        buffer = io.BytesIO()
        votable.to_xml(buffer, tabledata_format=self.server.serialization)
        headers = {"Content-Type": "application/x-votable+xml"}
        self._send(200, headers, buffer.getvalue())

    def _answer_file(self, dp_id: str) -> None:
        mishaps, what = self.server.mishaps, f"file/{dp_id}"
        file = self.server.files.get(dp_id)
        if file is None:
            self._send(404, {}, b"")
            return
        content = mishaps.contents.get(dp_id, file.read_bytes())
        status, begin, headers = 200, 0, {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not mishaps.no_ranges:
            status, begin = 206, int(asked[1])
            headers["Content-Range"] = (
                f"bytes {begin}-{len(content) - 1}/{len(content)}"
            )
            if begin >= len(content):
                self._send(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                return
        if mishaps.no_lengths:
            headers["Content-Length"] = ""
        breaks = mishaps.breaks.get(what)
        if not breaks:
            self._send(status, headers, content[begin:])
            return
        headers.setdefault("Content-Length", str(len(content) - begin))
        self._send(status, headers, content[begin : begin + breaks.pop(0)])
        self.close_connection = True
