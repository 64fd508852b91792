#!/usr/bin/env bash
# Stands in for the entry point of the image of PostgreSQL: makes the cluster at the first start, with the user,
# password and database of the environment, and runs the server as its own user.
set -euo pipefail
export PGDATA=${PGDATA:-/var/lib/postgresql/data}
user=$(id -u postgres 2>/dev/null || id -u nobody)
as_user=(setpriv "--reuid=$user" "--regid=$(id -g "$user" 2>/dev/null || echo "$user")" --clear-groups --)
mkdir -p "$PGDATA" /var/run/postgresql
chown "$user" "$PGDATA" /var/run/postgresql
chmod 700 "$PGDATA"
cd /
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    file=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$file"
    chown "$user" "$file"
    "${as_user[@]}" initdb -U "$POSTGRES_USER" -A scram-sha-256 --pwfile="$file" -E UTF8 --no-sync >/dev/null
    rm "$file"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | "${as_user[@]}" postgres --single -j postgres >/dev/null
fi
exec "${as_user[@]}" "$@"
