#!/bin/sh
# Our engine, PyTorch, llama.cpp and candle-transformers side by side, in one run on this machine. Prints one table.
#
#   sh benches/compare/run.sh [OPTIONS OF compare.py, such as --rounds 3 --json FILE]
#
# M3D_COMPARE_VENV    Python's packages; target/compare-venv by default (6 GB with PyTorch's CUDA parts)
# M3D_COMPARE_MODELS  the random GGUF files, 6.2 GB; target/compare-models by default
# M3D_PYTHON          the Python that the folder is made with; python3 by default
set -eu
cd "$(dirname "$0")/../.."
. scripts/system.sh
# No __pycache__ in the source tree.
export PYTHONDONTWRITEBYTECODE=1
target=${CARGO_TARGET_DIR:-target}
venv=${M3D_COMPARE_VENV:-$target/compare-venv}
here=benches/compare
mkdir -p "$target"

if [ ! -x "$venv/bin/python" ]; then
    say "Making $venv"
    "${M3D_PYTHON:-python3}" -m venv "$venv" ||
        fail "Python made no environment; on Debian and Ubuntu: apt-get install python3-venv"
fi
# installed FILE: pip runs once for each state of FILE.
installed() {
    stamp=$venv/$(basename "$1").done
    cmp -s "$1" "$stamp" && return 0
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" >&2 || return 1
    cp "$1" "$stamp"
}
say "PyTorch"
installed $here/requirements.txt || fail "pip could not install $here/requirements.txt"
say "llama.cpp; its first build takes some minutes"
export CMAKE_ARGS="${CMAKE_ARGS:--DGGML_NATIVE=ON}"
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
installed $here/requirements-llama.txt ||
    say "llama.cpp could not be installed (it needs gcc and g++): its column will be empty"

say "Are the layers the reference's?"
"$venv/bin/python" $here/torch_check.py >&2 || fail "PyTorch's layers are not the reference's: nothing is measured"
exec "$venv/bin/python" $here/compare.py --models "${M3D_COMPARE_MODELS:-$target/compare-models}" "$@"
