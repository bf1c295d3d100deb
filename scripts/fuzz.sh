#!/bin/sh
# Reads damaged files of every form until something breaks or the time is over.
#
#   sh scripts/fuzz.sh [SECONDS [TARGET...]]   # 600 seconds each; dicom seg nifti nrrd metaimage npy zip
#
# Two targets run at a time. What breaks the program is left in fuzz/artifacts/TARGET, the log in fuzz/out/TARGET.log, what
# was found on the way in fuzz/out/TARGET. M3D_FUZZ_KEEP=1 puts what tells something new of that into fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh

seconds=${1:-600}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- dicom seg nifti nrrd metaimage npy zip

need_rust
rustup toolchain list | grep -q nightly || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

say "Building"
cargo +nightly fuzz build --release

# Files are written and read many times a second: in memory where there is such a place.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
export RAYON_NUM_THREADS=2
bin=fuzz/target/$(rustc -vV | sed -n 's/host: //p')/release
limits="-rss_limit_mb=2048 -malloc_limit_mb=2048 -timeout=10 -max_len=65536"

# TARGET, the words of the format that it is helped by, the seeds.
one() {
    mkdir -p "fuzz/out/$1" "fuzz/artifacts/$1"
    case $1 in
    seg) words=dicom ;;
    *) words=$1 ;;
    esac
    if [ -f "fuzz/dictionaries/$words.dict" ]; then words="-dict=fuzz/dictionaries/$words.dict"; else words=; fi
    # shellcheck disable=SC2086 # lists of words
    if nice -n 19 "$bin/$1" $limits $words -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$1/" "fuzz/out/$1" "fuzz/corpus/$1" >"fuzz/out/$1.log" 2>&1; then
        say "$1: clean after $(sed -n 's/stat::number_of_executed_units: *//p' "fuzz/out/$1.log") files"
    else
        say "$1: BROKEN, see fuzz/out/$1.log"
        touch fuzz/out/broken
    fi
    if [ -n "${M3D_FUZZ_KEEP:-}" ]; then
        # shellcheck disable=SC2086
        nice -n 19 "$bin/$1" $limits -max_len=4096 -merge=1 "fuzz/corpus/$1" "fuzz/out/$1" >/dev/null 2>&1
    fi
}

rm -f fuzz/out/broken
while [ $# -gt 0 ]; do
    one "$1" &
    if [ $# -gt 1 ]; then
        one "$2" &
        shift
    fi
    shift
    wait
done
[ ! -e fuzz/out/broken ]
