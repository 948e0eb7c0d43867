#!/usr/bin/env bash
# Builds the Worker into build/: the host as WebAssembly, and what loads it. `wrangler` runs it. Arguments go to cargo.
#
# Needs Rust with the target wasm32-unknown-unknown, from rustup or from Debian (rustc-web cargo-web rust-web-src lld), and
# wasm-bindgen in the version of Cargo.lock.
set -euo pipefail
cd "$(dirname "$0")"

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
    echo "wasm-bindgen $version is missing: cargo install wasm-bindgen-cli --locked --version $version" >&2
    exit 1
fi

target=${CARGO_TARGET_DIR:-../../target}/workers
args=(build --locked --release --target wasm32-unknown-unknown --target-dir "$target" "$@")
if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then
    cargo "${args[@]}"
elif [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library/std ]; then
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo -Z build-std=std,panic_abort "${args[@]}"
else
    echo "the target wasm32-unknown-unknown is missing: rustup target add wasm32-unknown-unknown" >&2
    exit 1
fi

rm -rf build
wasm-bindgen "$target/wasm32-unknown-unknown/release/diplomatic_host_worker.wasm" --out-dir build --out-name index \
    --target module --no-typescript --experimental-reset-state-function --force-enable-abort-handler
# wrangler compiles what is imported, and knows no other way to say so.
sed -i.bak 's/import source /import /' build/index.js
rm build/index.js.bak
