from stellar_tf.api.analysis import analyze as analyze
from stellar_tf.api.analysis import analyze_codes as analyze_codes
from stellar_tf.api.analysis import compare as compare
from stellar_tf.api.analysis import neighbours as neighbours
from stellar_tf.api.analysis import probe as probe
from stellar_tf.api.encoding import encode as encode
from stellar_tf.api.encoding import encode_parts as encode_parts
from stellar_tf.api.encoding import load_model as load_model
from stellar_tf.api.exporting import export as export
from stellar_tf.api.exporting import export_page as export_page
from stellar_tf.api.records import convert as convert
from stellar_tf.api.records import read_spectrum as read_spectrum
from stellar_tf.api.records import simulate as simulate
from stellar_tf.api.records import verify as verify
from stellar_tf.api.training import fit as fit
from stellar_tf.api.training import refine as refine
from stellar_tf.config import Config as Config
from stellar_tf.config import load_config as load_config
from stellar_tf.inference.latents import Latents as Latents
from stellar_tf.inference.spectrum_model import SpectrumModel as SpectrumModel
from stellar_tf.report.probes import RunProbes as RunProbes
from stellar_tf.report.run_analysis import RunAnalysis as RunAnalysis
from stellar_tf.run import Run as Run

__version__: str
