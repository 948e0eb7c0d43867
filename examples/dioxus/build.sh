#!/usr/bin/env bash
# Builds the site into the folder `site`, which any static host can serve.
set -euo pipefail
cd "$(dirname "$0")"

build=(build --locked --release --features browser --bins --target wasm32-unknown-unknown)
if command -v rustup >/dev/null && rustup target list --installed | grep -qx wasm32-unknown-unknown; then
    cargo "${build[@]}"
elif [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library/std ]; then
    # Debian's compiler, which builds the standard library with the program.
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        /usr/bin/cargo -Z build-std=std,panic_abort "${build[@]}"
else
    echo "no compiler for browsers: run 'rustup target add wasm32-unknown-unknown'," \
        "or on Debian 'apt-get install rustc-web cargo-web rust-web-src lld'" >&2
    exit 1
fi
version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
    echo "run 'cargo install wasm-bindgen-cli --version $version'" >&2
    exit 1
fi
rm -rf site
bind() {
    wasm-bindgen --target web --no-typescript --remove-name-section --out-dir "$2/$1" \
        "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/$1.wasm"
}
bind page site
bind worker site
cp page/* site/
# What the tests serve beside it.
bind crashing target/of-tests
