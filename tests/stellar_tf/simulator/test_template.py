from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from stellar_tf.simulator.template import HeaderTemplate, Value
from tfrecords_tools.readers.fits_unit import sum_words

LINES = (
    "SIMPLE  =                    T / standard",
    "COMMENT   words",
    "OBJECT  = '        '           / the star",
    "SNR     =                  0.0 / of a pixel",
    "HIERARCH ESO DRS BERV = 0.0 / [km/s]",
    "REFERENC= '        '",
    "CHECKSUM= '0000000000000000'   / HDU checksum",
    "DATASUM = '0       '           / data unit checksum",
)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SIMPLE", False),
        ("OBJECT", "it's a star"),
        ("SNR", -4.1e-17),
        ("ESO DRS BERV", -8.6859110031507),
    ],
)
def test_fill_replaces_only_what_is_named(keyword: str, value: Value) -> None:
    template = HeaderTemplate(LINES)
    template.fill({keyword: value, "UNKNOWN": 1})
    text = template.sign(b"")
    assert len(text) == 2880
    before = fits.Header.fromstring("\n".join(LINES), sep="\n")
    after = fits.Header.fromstring(text)
    assert template[keyword] == after[keyword] == value
    for old, new in zip(before.cards, after.cards, strict=True):
        assert (new.keyword, new.comment) == (old.keyword, old.comment)
        if old.keyword not in (keyword, "CHECKSUM"):
            assert str(new) == str(old)


def test_a_template_knows_its_keywords() -> None:
    template = HeaderTemplate(LINES)
    assert "ESO DRS BERV" in template
    assert "UNKNOWN" not in template


@pytest.mark.parametrize("seed", range(20))
def test_signs_as_astropy_does(seed: int) -> None:
    """The sum over the HDU is minus zero, of which all bits are set."""
    data = np.random.default_rng(seed).integers(0, 256, 2880, np.uint8)
    hdu = fits.ImageHDU(data)
    hdu.add_datasum("data unit checksum")
    hdu.add_checksum("HDU checksum", override_datasum=True)
    expected = hdu.header.tostring()
    for keyword in ("CHECKSUM", "DATASUM"):
        hdu.header[keyword] = ""
    template = HeaderTemplate(str(card) for card in hdu.header.cards)
    text = template.sign(data.tobytes())
    assert text.decode() == expected
    assert sum_words(text + data.tobytes()) == 0xFFFFFFFF
