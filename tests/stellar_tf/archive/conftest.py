"""A local archive of the simulated survey."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.table import Table

from stellar_tf.archive.download import Access
from stellar_tf.archive.products import Product
from stellar_tf.archive.rate_limit import RateLimiter
from tests.stellar_tf.archive.eso_server import DATALINK, EsoServer

N_PUBLIC = 8


class FakeTime:
    """Time that passes only while one waits for it."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Let no test wait; the waits are noted."""
    fake = FakeTime()

    def build_limiter(per_second: float) -> RateLimiter:
        return RateLimiter(per_second, fake.clock, fake.pause)

    monkeypatch.setattr("stellar_tf.archive.download.RateLimiter", build_limiter)
    return fake


@pytest.fixture(scope="session")
def truth(fits_folder: Path) -> Table:
    """The first exposures of the survey, and one that is not public."""
    return Table.read(fits_folder / "truth.ecsv")[: N_PUBLIC + 1]


@pytest.fixture
def server(fits_folder: Path, truth: Table) -> Iterator[EsoServer]:
    """
    An archive of `N_PUBLIC` public spectra, a private one and an image.

    Every second spectrum is of another programme; one has no S/N and no size.
    """
    rows = [
        {
            "dp_id": row["dp_id"], "target_name": row["target"], "s_ra": row["ra"],
            "s_dec": row["dec"], "snr": 10.0 * (i + 1), "t_min": row["mjd"],
            "t_exptime": row["exptime"], "instrument_name": "HARPS",
            "proposal_id": f"072.C-048{i % 2}(E)", "access_estsize": 25,
            "obs_release_date": "2014-11-13T13:53:35.087Z",
        }
        for i, row in enumerate(truth)
    ]  # fmt: skip
    rows[0].update(snr=None, access_estsize=None)
    rows[-1]["obs_release_date"] = "2999-01-01T00:00:00Z"
    image = {**rows[1], "dp_id": "ADP.2000-01-01T00:00:00.000"}
    rows.append({**image, "dataproduct_type": "image"})
    rows = [
        {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
        for row in rows
    ]
    files = {row["dp_id"]: fits_folder / f"{row['dp_id']}.fits" for row in rows[:-1]}
    with EsoServer(files, rows) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def access(server: EsoServer, time: FakeTime) -> Access:
    """How to ask it."""
    return Access(server.tap, n_workers=2, n_retries=3)


@pytest.fixture
def product(server: EsoServer) -> Product:
    """One of its products."""
    row = server.rows[1]
    return Product(
        *(row["dp_id"], row["target_name"], row["s_ra"], row["s_dec"], row["snr"]),
        *(row["t_min"], row["t_exptime"], "HARPS", row["proposal_id"]),
        *("", row["access_url"], DATALINK, 25000),
    )
