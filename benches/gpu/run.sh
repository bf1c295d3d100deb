#!/bin/sh
# On a machine with an NVIDIA GPU, unattended, inside ten minutes: the goldens in bf16, decoding
# against PyTorch there and against what the GPU's memory allows, and one table. Where there is no
# GPU it says so and ends well.
#
#   sh benches/gpu/run.sh
#
# M3D_GPU_TEST   model_golden of m3d-model built with `--features cuda`   } without them cargo builds both,
# M3D_GPU_BENCH  engine of m3d-model built with `--features cuda`         } which needs the CUDA toolkit
# M3D_PYTHON     a Python with PyTorch for CUDA; else target/compare-venv's, else python3
# M3D_OUT        where the raw outputs go; target/gpu by default
# M3D_GPU_SECS   the time for everything, 570 by default
#
# Test and benchmark are told what to do by M3D_DEVICE=cuda and M3D_DTYPE=bf16.
# Exits 0 when the goldens pass or nothing can be run, 1 when they fail or a step breaks.
set -u
cd "$(dirname "$0")/../.."
. scripts/system.sh
# No __pycache__ in the source tree.
export PYTHONDONTWRITEBYTECODE=1

if ! command -v nvidia-smi >/dev/null || ! gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null) || [ -z "$gpu" ]; then
    say "There is no NVIDIA GPU on this machine (nvidia-smi finds none): nothing was measured, and no figure for one exists from here."
    exit 0
fi
for given in "${M3D_GPU_TEST:-}" "${M3D_GPU_BENCH:-}"; do
    [ -z "$given" ] || [ -x "$given" ] || fail "$given is no program"
done
deadline=$(($(date +%s) + ${M3D_GPU_SECS:-570}))
target=${CARGO_TARGET_DIR:-target}
out=${M3D_OUT:-$target/gpu}
mkdir -p "$out"
rm -f "$out/golden.log" "$out/ours.json" "$out/torch.json" "$out/notes"
note() { say "$*"; printf '%s\n' "$*" >> "$out/notes"; }
say "$gpu"
printf '%s\n' "$gpu" > "$out/gpu"

# within COMMAND...: runs it in the time that is left.
within() {
    left=$((deadline - $(date +%s)))
    [ "$left" -gt 5 ] || { note "The time was over before: $*"; return 124; }
    timeout "$left" "$@"
}
failed=0

# Ours: built beforehand, or by cargo where the toolkit is.
test=${M3D_GPU_TEST:-}
bench=${M3D_GPU_BENCH:-}
can_build=no
if command -v cargo >/dev/null && { command -v nvcc >/dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; }; then
    can_build=yes
    CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)}
    PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
    export CUDA_COMPUTE_CAP PATH
fi
export M3D_DEVICE=cuda M3D_DTYPE=bf16

# run_own PREBUILT CARGO-COMMAND...: the executable if given, else cargo.
run_own() {
    prebuilt=$1
    shift
    if [ -n "$prebuilt" ]; then
        shift "$cargo_words"
        within "$prebuilt" "$@"
    elif [ "$can_build" = yes ]; then
        within "$@"
    else
        return 127
    fi
}

say "Goldens in bf16"
cargo_words=10 # everything before the program's own arguments
M3D_GOLDEN_DIR=${M3D_GOLDEN_DIR:-$PWD/tests/golden} \
    run_own "$test" cargo test --release -p m3d-model --features cuda --test model_golden -- --nocapture > "$out/golden.log" 2>&1
code=$?
case $code in
    0) note "Goldens in bf16 on the GPU: passed." ;;
    127) note "Goldens: not run; neither M3D_GPU_TEST nor cargo with nvcc is here." ;;
    124) note "Goldens: not finished in time."; failed=1 ;;
    *) note "Goldens in bf16 on the GPU: FAILED (code $code); the end of $out/golden.log:"; tail -n 20 "$out/golden.log" >&2; failed=1 ;;
esac

say "Our engine"
if [ -z "$bench" ] && [ ! -f crates/model/benches/engine.rs ]; then
    note "Our engine: not measured; there is no crates/model/benches/engine.rs."
else
    cargo_words=9
    run_own "$bench" cargo bench -p m3d-model --features cuda --bench engine -- --json > "$out/ours.raw" 2> "$out/ours.log"
    code=$?
    grep '^{' "$out/ours.raw" | tail -n 1 > "$out/ours.json"
    if [ "$code" = 127 ]; then
        note "Our engine: not measured; neither M3D_GPU_BENCH nor cargo with nvcc is here."
    elif [ "$code" != 0 ] || [ ! -s "$out/ours.json" ]; then
        note "Our engine: not measured; it ended with code $code, see $out/ours.log."
        failed=1
    fi
fi

say "PyTorch"
python=${M3D_PYTHON:-}
for candidate in "$target/compare-venv/bin/python" python3; do
    [ -n "$python" ] && break
    "$candidate" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null && python=$candidate
done
if [ -z "$python" ]; then
    note "PyTorch: not measured; no Python with PyTorch for CUDA is here. The GPU's memory is not measured either."
elif ! within "$python" benches/gpu/torch_gpu.py > "$out/torch.json" 2> "$out/torch.log"; then
    note "PyTorch: not measured; see $out/torch.log:"
    tail -n 3 "$out/torch.log" >&2
    failed=1
fi

if python3 benches/gpu/gpu_table.py "$out" > "$out/table.md"; then
    cat "$out/table.md"
else
    cat "$out/notes" "$out"/*.json
    failed=1
fi
exit "$failed"
