#!/usr/bin/env bash
# Starts the built Worker on this machine, as `wrangler dev --local` does it: serve.sh PORT FOLDER [--var NAME:VALUE ...].
# The data lies in FOLDER.
set -euo pipefail
cd "$(dirname "$0")"
port=$1 data=$2
shift 2
if [ ! -f build/index.js ]; then
    echo "the Worker is not built: run ./build.sh first" >&2
    exit 1
fi
if [ ! -d node_modules/wrangler ]; then
    echo "wrangler is not installed here: run npm ci first, which installs it from npm (with workerd, about 300 MB)" >&2
    exit 1
fi
# What is built stays as it is, and several may be served at once.
mkdir -p "$data"
sed -e '/^\[build\]$/,/^$/d' -e "s|^main = \"|&$PWD/|" wrangler.toml >"$data/wrangler.toml"
export WRANGLER_SEND_METRICS=false WRANGLER_LOG_PATH="$data/log" CI=true
exec node node_modules/wrangler/bin/wrangler.js dev --local --config "$data/wrangler.toml" --ip 127.0.0.1 --port "$port" \
    --inspector-port 0 --persist-to "$data" --show-interactive-dev-session=false "$@"
