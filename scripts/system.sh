# Shared by the scripts beside it: what the system needs, and how it gets it. Sourced, not run.

# The oldest Rust that builds this crate, as Cargo.toml says.
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# ask QUESTION: yes from the reader, or from M3D_YES=1 where nobody can answer.
ask() {
    [ "${M3D_YES:-}" = 1 ] && return 0
    [ -t 0 ] || return 1
    printf '%s [y/N] ' "$1" >&2
    read -r answer
    [ "$answer" = y ] || [ "$answer" = Y ]
}

# need PACKAGE...: installs those Debian packages that are missing, and says so first.
need() {
    command -v dpkg-query >/dev/null || {
        say "This is no Debian or Ubuntu; these packages, or their like, are needed: $*"
        return 0
    }
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    [ -z "$root" ] || command -v sudo >/dev/null ||
        fail "these packages are missing and there is no sudo to install them:$missing"
    say "Installing Debian packages:$missing"
    # shellcheck disable=SC2086 # a list of words
    $root apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        $root apt-get install -y -qq --no-install-recommends $missing >&2 ||
        fail "the packages could not be installed:$missing"
}

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# need_rust: cargo, new enough, or the offer of rustup's installer.
need_rust() {
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
    if [ -n "$found" ] && at_least "$found" "$rust_needed"; then
        return 0
    fi
    if [ -n "$found" ]; then
        say "Rust $found is too old; $rust_needed or newer is needed."
    else
        say "Rust is not installed; $rust_needed or newer is needed."
    fi
    if command -v rustup >/dev/null; then
        ask "Update it with 'rustup update stable'?" ||
            fail "run 'rustup update stable', then this script again"
        rustup update stable || fail "rustup could not update Rust"
    else
        ask "Install it with rustup's official installer from https://sh.rustup.rs?" ||
            fail "install Rust from https://rustup.rs (M3D_YES=1 answers yes), then run this script again"
        need curl ca-certificates
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal ||
            fail "rustup could not be installed"
        . "$HOME/.cargo/env"
    fi
}

# What it takes to build, to open a window, and to draw without a GPU.
build_packages="gcc libc6-dev"
window_packages="libx11-6 libx11-xcb1 libxcb1 libxcursor1 libxi6 libxkbcommon0 libxkbcommon-x11-0 libxrandr2 libwayland-client0"
vulkan_packages="libvulkan1 mesa-vulkan-drivers"
