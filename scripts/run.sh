#!/bin/sh
# Builds the viewer and opens PATH, or the sample CT. Without a display it does the same job headless:
# the four views as pictures and the answer to one question.
#
#   sh scripts/run.sh [PATH]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
# A relative PATH is meant from where the reader stands.
case ${1:-} in
    '') path=$here/assets/sample/ct_abdomen ;;
    /*) path=$1 ;;
    *) path=$PWD/$1 ;;
esac
cd "$here"
. scripts/system.sh
# Without it the Vulkan loader complains on every start.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"

# shellcheck disable=SC2086 # lists of words
need $build_packages $vulkan_packages
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    # shellcheck disable=SC2086
    need $window_packages
fi
need_rust

say "Building; the first time takes a quarter of an hour on two cores."
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}
viewer=$target/release/m3d-viewer

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec "$viewer" "$path"
fi

out=${M3D_OUT:-$here/out/headless}
mkdir -p "$out"
say "There is no display: drawing into $out"
for view in axial sagittal coronal volume; do
    "$viewer" render "$path" "$out/$view.png" --view "$view" --size 800x600
    say "  $out/$view.png"
done
# M3D_MODEL names another model than the small one that is built in.
mask=$out/mask.nii.gz
rm -f "$mask"
"$viewer" ask "$path" "Segment the liver" --model "${M3D_MODEL:-small}" --mask-out "$mask" --json \
    > "$out/answer.json"
say "  $out/answer.json"
cat "$out/answer.json"
if [ -f "$mask" ]; then
    "$viewer" render "$path" "$out/answer.png" --view axial --size 800x600 --mask "$mask"
    say "  $out/answer.png"
else
    say "  (the answer brought no mask)"
fi
