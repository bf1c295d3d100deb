#!/bin/sh
# Starts the real window under Xvfb, drives it as a reader would, and saves pictures.
#
#   sh scripts/screenshot.sh [FOLDER] [WIDTHxHEIGHT]
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh
# Without it the Vulkan loader complains on every start.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
out=${1:-out/screenshots}
size=${2:-1600x1000}
mkdir -p "$out"

# shellcheck disable=SC2086 # lists of words
need $build_packages $window_packages $vulkan_packages xvfb xdotool imagemagick
need_rust
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}
# M3D_MODEL names another model than the small one that is built in.
model=${M3D_MODEL:-small}

display=:${M3D_DISPLAY:-87}
Xvfb "$display" -screen 0 "${size}x24" -nolisten tcp >/dev/null 2>&1 &
xvfb=$!
viewer=
trap 'kill $viewer $xvfb 2>/dev/null || true' EXIT INT TERM
export DISPLAY="$display"
sleep 1

"$target/release/m3d-viewer" assets/sample/ct_abdomen --model "$model" >"$out/viewer.log" 2>&1 &
viewer=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name m3d-viewer | head -n 1)
[ -n "$window" ] || fail "the window did not open; see $out/viewer.log"
xdotool windowmove "$window" 0 0 windowsize "$window" "${size%x*}" "${size#*x}"
xdotool windowfocus "$window"
shot() { import -window root "$out/$1.png"; say "  $out/$1.png"; }
# Fractions of the window, in thousandths.
at() { xdotool mousemove $((${size%x*} * $1 / 1000)) $((${size#*x} * $2 / 1000)); }
drag() {
    at "$2" "$3"; xdotool mousedown "$1"
    for step in 1 2 3 4 5 6; do
        at $(($2 + ($4 - $2) * step / 6)) $(($3 + ($5 - $3) * step / 6)); sleep 0.05
    done
    xdotool mouseup "$1"
}

sleep "${M3D_WAIT:-8}"
shot 1-open

# Scroll, then draw a box over the liver in the axial view and ask what is in it.
at 320 280; xdotool click --repeat 2 4
xdotool key b; sleep 0.3
drag 1 225 207 328 374
sleep 1
shot 2-box
xdotool key d; sleep "${M3D_WAIT:-8}"
shot 3-described

# Name what is to be outlined; the mask appears in all views.
at 890 580; xdotool click 1; sleep 1; xdotool type --delay 60 "Segment the liver"; sleep 1
at 979 640; xdotool click 1; sleep "${M3D_WAIT:-8}"
shot 4-segmented

# Turn the 3-D view and let it sharpen.
drag 1 700 700 640 690
sleep "${M3D_WAIT:-8}"
shot 5-turned

# A lung window in one large view.
at 320 280; xdotool key 2; xdotool key space; sleep 2
shot 6-focus
