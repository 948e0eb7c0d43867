#!/usr/bin/env bash
# Builds the Worker for tests, and runs the tests of it in workerd: the store's promises, the recorded exchange, and real
# clients. It needs Node 20 or later and what build.sh needs, and installs wrangler with workerd from npm, below node_modules.
#
# With CI set, it installs wasm-bindgen, too, and what is missing is a failure; elsewhere the tests are skipped with a message.
set -euo pipefail
cd "$(dirname "$0")"

without() {
    echo "== $1: the Worker is not tested" >&2
    [ -z "${CI:-}" ]
    exit
}

command -v node >/dev/null && command -v npm >/dev/null || without "Node.js is not installed"
if [ ! -d node_modules/wrangler ]; then
    echo "== installing wrangler and workerd from npm into $PWD/node_modules, about 300 MB"
    npm ci --no-audit --no-fund || without "wrangler cannot be installed from npm"
fi

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
    [ -n "${CI:-}" ] || without "wasm-bindgen $version is not installed"
    timeout 1200 cargo install --locked wasm-bindgen-cli --version "$version" --bin wasm-bindgen ||
        without "wasm-bindgen $version cannot be installed"
fi
if ! ./build.sh --features testing; then
    [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ] || rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown ||
        without "the target wasm32-unknown-unknown is not there"
    exit 1
fi

cd ../..
# Each test has a workerd of its own.
DIPLOMATIC_TEST_WORKER=1 cargo test --workspace --test worker -- --test-threads 2
