#!/bin/sh
# Bring a backup back into a deployment that has nothing yet: `deploy/restore.sh /backups/monday`. Any .env will do.
# COMPOSE is how Compose is called, `docker compose` by default.
set -eu
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

compose() { ${COMPOSE:-docker compose} "$@"; }
owner() { compose exec -T postgres sh -c 'PGPASSWORD=$POSTGRES_PASSWORD exec "$@" --username=phaya_owner --dbname=phaya' - "$@"; }

compose up --detach --wait postgres redis
if [ "$(owner psql -tAc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'" </dev/null)" != 0 ]; then
    echo "There is a database already, and it stays as it is. Remove it first: docker compose down --volumes" >&2
    exit 1
fi
# Rights are not restored: `migrate`, which `up` runs, makes the serving role with its new password and its rights.
owner pg_restore --no-owner --no-privileges --single-transaction <"$folder/database.dump"
compose run --rm --no-deps -T --entrypoint tar api -C /var/lib/phaya -xf - <"$folder/files.tar"
compose up --detach --wait
echo "Restored $folder"
