"""What users install: the built wheel, in an environment away from the sources."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
BUILT_FROM = (
    *("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"),
    *("configs", "stellar_tf", "tfrecords_tools"),
)
SMALL = (
    "grid.wave_min=5160.02",
    "grid.n_pixels=1000",
    "simulate.n_stars=40",
    "simulate.wave_min=5160.02",
    "simulate.n_pixels=1000",
    "model.folded={folds: [8, 4], channels: [8, 16], kernels: [3, 1]}",
    "training.n_steps=4",
    "training.steps_per_epoch=2",
    "objective.coarse_scales=[]",
    "analysis.n_permutations=100",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the source distribution, and the wheel built from that."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        options = {"symlinks": True} if (ROOT / name).is_dir() else {}
        copy(ROOT / name, source / name, **options)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(source)], check=True, capture_output=True, text=True)
    shutil.rmtree(source)
    return folder


@pytest.fixture(scope="module")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command; what it depends on is lent by this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
    subprocess.run([*install, "install", "--no-deps", str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A plain path: links to sources that stand beside it are not followed.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "stellar-tf"


def run(program: Path, folder: Path, *arguments: str) -> str:
    """Run the command in a folder without sources, and return what it printed."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_archives_hold_every_file_of_the_packages(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    for name in files_of_packages():
        assert name in in_wheel
        assert name in in_sdist


def files_of_packages() -> Iterator[str]:
    for package in ("stellar_tf", "tfrecords_tools"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(ROOT).as_posix()
    for name in CONFIGS:
        yield f"stellar_tf/configs/{name}.yaml"


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_settings_are_found_by_name(
    program: Path, tmp_path: Path, name: str
) -> None:
    few = ["--n-stars", "1", "--visits", "1", "--set", "simulate.n_pixels=1000"]
    printed = run(program, tmp_path, "simulate", "fits", "--config", name, *few)
    assert "1 spectra of 1 stars in fits" in printed


def test_the_chain_runs(program: Path, tmp_path: Path) -> None:
    settings = ["--config", "demo"]
    for assignment in SMALL:
        settings += ["--set", assignment]
    run(program, tmp_path, "simulate", "fits", *settings)
    labels = ["--labels", "fits/truth.ecsv"]
    run(program, tmp_path, "convert", "fits", "--out", "records", *labels, *settings)
    run(program, tmp_path, "fit", "records", "--run", "run", *settings)
    assert "80 spectra in" in run(program, tmp_path, "encode", "run", "records")
    assert "report: " in run(program, tmp_path, "analyze", "run")
    run(program, tmp_path, "export", "run", "--out", "models/small")
    python = program.with_name("python")
    interface = (
        "import stellar_tf as st; m = st.load_model('models/small'); "
        "print(m.decode([0.0] * m.n_latent).shape)"
    )
    assert run(python, tmp_path, "-c", interface) == "(1000,)\n"


def test_what_is_imported_is_declared() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    texts = [setup["options"]["install_requires"]]
    texts += [extras[name] for name in ("beam", "explore", "serve", "specutils")]
    texts += [extras[name] for name in ("torch", "archive", "hdf5", "completion")]
    declared = {
        normalise(re.split(r"[<>=\[;]", line.strip())[0])
        for text in texts
        for line in text.splitlines()
        if line.strip() and not line.startswith("#")
    }
    homes = packages_distributions()
    for path in sorted(ROOT.glob("stellar_tf/**/*.py")) + sorted(
        ROOT.glob("tfrecords_tools/**/*.py")
    ):
        for name in imported(path) - set(sys.stdlib_module_names):
            if name not in ("stellar_tf", "tfrecords_tools"):
                packages = {normalise(package) for package in homes[name]}
                assert packages & declared, f"{path}: {name} is not declared"


def normalise(package: str) -> str:
    return package.lower().replace("_", "-")


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found
