"""No broken file crashes, hangs or fills the memory, and none gives a wrong record."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.conversion.broken_files import (
    GRID,
    read_independently,
    write_corpus,
    write_originals,
)
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.plan import path_from_text
from tfrecords_tools.conversion.verify import verify
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.tfrecord import read_records
from tfrecords_tools.spectrum import Spectrum, SpectrumError

MAX_MEMORY = 600.0
"""Of a worker [MiB]."""
CONVERT = """
import sys
from pathlib import Path
from tests.tfrecords_tools.conversion.broken_files import GRID
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
summary = convert([Path(sys.argv[1])], Path(sys.argv[2]), GRID, ConvertConfig())
status = Path("/proc/self/status").read_text()
print(summary.n_taken, summary.n_rejected)
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_originals(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def corpus(
    originals: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    return write_corpus(tmp_path_factory.mktemp("broken"), *originals)


@pytest.fixture(scope="module")
def converted(
    corpus: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The data set of the corpus, and what the process that made it printed."""
    out = tmp_path_factory.mktemp("out") / "records"
    # A process of its own, whose memory is measured and whose hanging is seen.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CONVERT, corpus[0].parent, out],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_originals_are_sound(originals: tuple[Path, Path]) -> None:
    for path in originals:
        expected = read_independently(path)
        assert expected is not None
        spectrum = read_spectrum(path)
        np.testing.assert_array_equal(spectrum.wave, expected.wave)
        np.testing.assert_array_equal(spectrum.flux, expected.flux)


def test_the_corpus_is_large(corpus: list[Path]) -> None:
    assert len(set(corpus)) >= 300


def test_every_file_is_read_rightly_or_refused_with_a_reason(
    corpus: list[Path], originals: tuple[Path, Path]
) -> None:
    sound = [read_spectrum(path) for path in originals]
    reasons, wrong = [], []
    for path in corpus:
        try:
            spectrum = read_spectrum(path)
        except SpectrumError as error:
            reasons.append(str(error))
            continue
        expected = read_independently(path)
        if expected is None:
            # More than astropy makes of it, but no other than before the damage.
            right = any(same(spectrum, s.wave, s.flux) for s in sound)
        else:
            right = same(spectrum, *expected)
        if not right:
            wrong.append(path.name)
    assert wrong == []
    assert len(corpus) // 4 < len(reasons) < len(corpus)
    assert all(reason and "\n" not in reason for reason in reasons)


def same(spectrum: Spectrum, wave: np.ndarray, flux: np.ndarray) -> bool:
    if spectrum.wave.shape != wave.shape:
        return False
    return np.allclose(spectrum.wave, wave, rtol=1e-12, atol=0.0) and np.array_equal(
        spectrum.flux, flux, equal_nan=True
    )


def test_no_bit_of_a_product_with_checksums_changes_unseen(
    originals: tuple[Path, Path], tmp_path: Path
) -> None:
    adp, _ = originals
    content = adp.read_bytes()
    sound = read_spectrum(adp)
    with FitsFile(adp) as file:
        end = file.hdus[-1].data_start + file.hdus[-1].data_size
    path = tmp_path / adp.name
    for bit in np.random.default_rng(7).integers(0, 8 * end, 400):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            spectrum = read_spectrum(path)
        except SpectrumError:
            continue
        assert same(spectrum, sound.wave, sound.flux), bit
        assert spectrum.metadata == sound.metadata, bit


def test_every_file_is_accounted_for_once(
    corpus: list[Path], converted: tuple[Path, str]
) -> None:
    out, printed = converted
    n_taken, n_rejected = (int(n) for n in printed.split()[:2])
    manifest = read_manifest(out)
    records = [
        manifest.record_schema.decode(record)[1]["dp_id"]
        for split in manifest.splits
        for path in manifest.shard_paths(split)
        for record in read_records(path)
    ]
    with (out / "rejects.csv").open(newline="", encoding="utf-8") as stream:
        rejects = list(csv.DictReader(stream))
    assert len(set(records)) == len(records) == n_taken
    assert len(rejects) == n_rejected
    assert n_taken + n_rejected == len(discover([corpus[0].parent])) == len(corpus)
    assert all(row["reason"] for row in rejects)
    assert min(n_taken, n_rejected) > len(corpus) // 10
    copies = [row["reason"] for row in rejects if "same name" in row["path"]]
    assert len(copies) == 2
    assert all("duplicate of" in reason for reason in copies)
    assert all(reason.endswith(", with other content") for reason in copies)


def test_every_record_is_that_of_its_file(converted: tuple[Path, str]) -> None:
    assert verify(converted[0], deep=True).problems == []


def test_records_hold_what_an_independent_reading_gives(
    converted: tuple[Path, str],
) -> None:
    out, _ = converted
    manifest = read_manifest(out)
    with (out / "plan.csv").open(newline="", encoding="utf-8") as stream:
        sources = {
            row["dp_id"]: path_from_text(row["path"]) for row in csv.DictReader(stream)
        }
    n_compared = 0
    for split in manifest.splits:
        for path in manifest.shard_paths(split):
            for record in read_records(path):
                flux, values = manifest.record_schema.decode(record)
                expected = read_independently(sources[str(values["dp_id"])])
                if expected is None or "shifted" not in str(values["history"]):
                    continue
                index = np.rint((expected.wave - GRID.wave_min) / GRID.wave_step)
                inside = (index >= 0) & (index < GRID.n_pixels)
                placed = np.full(GRID.n_pixels, np.nan, np.float32)
                placed[index[inside].astype(int)] = expected.flux[inside]
                valid = np.isfinite(flux)
                np.testing.assert_array_equal(flux[valid], placed[valid])
                n_compared += 1
    assert n_compared > 50


def test_memory_stays_small(converted: tuple[Path, str]) -> None:
    assert float(converted[1].split()[2]) < MAX_MEMORY
