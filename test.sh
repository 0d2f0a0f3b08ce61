#!/usr/bin/env bash
# The whole test suite, for people and for CI: a Vulkan driver where there is none, then format, lints, documentation
# and tests. Stops at the first that fails.
#
# The tests run on any adapter that wgpu finds. WGRAD_TEST_ADAPTER, part of an adapter's name, chooses one:
#   WGRAD_TEST_ADAPTER=llvmpipe ./test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { echo "test.sh: $*" >&2; exit 1; }
step() { printf '\n==> %s\n' "$*"; "$@"; }

command -v cargo >/dev/null || fail "no cargo: install Rust with rustup, then open a new shell or run: . ~/.cargo/env"
cargo fmt --version &>/dev/null || fail "no rustfmt: rustup component add rustfmt clippy"
cargo clippy --version &>/dev/null || fail "no clippy: rustup component add rustfmt clippy"

step scripts/ensure_vulkan.sh
step cargo fmt --check
step cargo clippy --all-targets -- -D warnings
# The library by itself, with the features of its own dependencies alone.
step cargo clippy -p wgrad --lib -- -D warnings
step env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
step cargo test
printf '\n==> everything passed\n'
