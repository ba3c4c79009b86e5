#!/bin/sh
# Try a running deployment: an account with 100 credits, a key for an hour, and `phaya demo` with it. Needs the chat's
# provider too, and spends what the demo spends. COMPOSE is how Compose is called, `docker compose` by default.
set -eu
cd "$(dirname "$0")/.."

phaya() { ${COMPOSE:-docker compose} exec -T api phaya "$@"; }

account=smoke@localhost
phaya account show "$account" >/dev/null 2>&1 || phaya account create "$account" --name "Smoke test"
phaya grant "$account" 100 --note "Smoke test" >/dev/null
expires=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%S 2>/dev/null || date -u -v+1H +%Y-%m-%dT%H:%M:%S)
# The demo looks often; the usual rate would make it wait.
key=$(phaya key create "$account" --name "Smoke test" --expires "$expires" --rate 600 --json | grep -oE 'pk_[A-Za-z0-9]{48}')
phaya demo --api-url http://127.0.0.1:8000 --key "$key"
phaya audit
