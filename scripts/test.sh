#!/bin/sh
# Everything that must hold before a change is taken: formatting, lints, tests, documentation.
#
#   sh scripts/test.sh
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh

# shellcheck disable=SC2086 # lists of words
need $build_packages $vulkan_packages
need_rust
rustup component add rustfmt clippy >/dev/null 2>&1 || true

# One profile for all steps, so that the dependencies are built once.
say "Formatting"
cargo fmt --all --check
say "Lints"
cargo clippy --release --locked --workspace --all-targets -- -D warnings
say "Tests"
[ -d "${M3D_SHARED:-../shared}" ] ||
    say "The public studies are not beside the project (\$M3D_SHARED or ../shared): tests on them are skipped."
cargo test --release --locked --workspace
say "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --document-private-items
say "All well."
