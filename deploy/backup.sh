#!/bin/sh
# Write the database and the files of a running deployment into a new folder: `deploy/backup.sh /backups/monday`.
# COMPOSE is how Compose is called, `docker compose` by default.
set -eu
umask 077
mkdir "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

compose() { ${COMPOSE:-docker compose} "$@"; }

# The database first: a file is stored before its row is written, so every row of this snapshot finds its file after it.
compose exec -T postgres sh -c 'PGPASSWORD=$POSTGRES_PASSWORD exec pg_dump --username=phaya_owner --format=custom phaya' \
    >"$folder/database.dump"
# Without the drafts of files that are being written. With PHAYA_STORAGE=s3 there is nothing here; the bucket has its own.
compose exec -T api tar -C /var/lib/phaya --exclude=.drafts -cf - files >"$folder/files.tar"
echo "Wrote $folder"
