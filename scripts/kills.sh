#!/bin/sh
# Kills the program at random moments of a scripted reading and counts what is lost.
#
#   sh scripts/kills.sh [COUNT]
set -eu
cd "$(dirname "$0")/.."
M3D_KILLS="${1:-100}" cargo test --release --test sessions kills -- --nocapture
