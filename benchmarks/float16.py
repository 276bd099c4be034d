"""What storing the flux as float16 adds to the noise of simulated HARPS products.

python benchmarks/float16.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from stellar_tf.config import load_config
from stellar_tf.simulator.simulate import simulate
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.records.schema import RecordSchema

LOG_SNR = (1.0, 1.5, 2.0, 2.5, 3.0)
N_STARS = 4


def measure(files: Path, snr: float) -> tuple[float, int]:
    """Rms of the rounding over the noise at the median, and pixels lost."""
    config = load_config("default", ["convert.flux_dtype=float16"])
    schema = RecordSchema(n_pixels=config.grid.n_pixels, flux_dtype="float16")
    ratios, n_lost = [], 0
    for path in sorted(files.glob("*.fits")):
        exact = prepare_spectrum(path, config.grid, load_config("default").convert)
        half = prepare_spectrum(path, config.grid, config.convert)
        content = schema.pack_flux(half.flux, half.flux_scale)
        rounding = schema.unpack_flux(content, half.flux_scale) - exact.flux
        n_lost += int(np.isnan(rounding).sum() - np.isnan(exact.flux).sum())
        ratios.append(np.sqrt(np.nanmean(rounding**2)) * snr / exact.median_flux)
    return float(np.median(ratios)), n_lost


def main() -> None:
    """Run the benchmark."""
    print("   S/N  rounding over noise  noise grows by  pixels lost")
    for log_snr in LOG_SNR:
        fixed = f"simulate.factors.log_snr={{kind: fixed, a: {log_snr}}}"
        config = load_config("default", [f"simulate.n_stars={N_STARS}", fixed])
        with tempfile.TemporaryDirectory() as name:
            files = Path(name, "files")
            simulate(files, config.simulate, seed=0, overwrite=False)
            ratio, n_lost = measure(files, 10.0**log_snr)
        growth = np.hypot(1.0, ratio) - 1.0
        print(f"{10.0**log_snr:6.0f}  {ratio:19.4f}  {growth:14.4%}  {n_lost:11}")


if __name__ == "__main__":
    main()
