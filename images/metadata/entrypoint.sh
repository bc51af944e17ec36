#!/bin/bash
# Makes the database on the first start, then becomes the server. Takes MARIADB_DATABASE, MARIADB_USER and
# MARIADB_PASSWORD_FILE (or MARIADB_PASSWORD); root can log in only through the socket inside of the container.
set -euo pipefail

data=/var/lib/mysql
server=(mariadbd --datadir="$data" --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid
        --bind-address='*' --skip-name-resolve --character-set-server=utf8mb4 --collation-server=utf8mb4_bin)

[ "${1:-mariadbd}" = mariadbd ] || exec "$@"
shift || true

if [ ! -f "$data/.made" ]; then
  : "${MARIADB_DATABASE:?name of the database to make}" "${MARIADB_USER:?name of its account}"
  if [ -n "${MARIADB_PASSWORD_FILE:-}" ]; then MARIADB_PASSWORD=$(<"$MARIADB_PASSWORD_FILE"); fi
  : "${MARIADB_PASSWORD:?password of the account, or MARIADB_PASSWORD_FILE}"
  find "$data" -mindepth 1 -delete   # what an interrupted first start left
  mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=socket --skip-test-db >/dev/null
  quoted=${MARIADB_PASSWORD//\\/\\\\}; quoted=${quoted//\'/\\\'}
  mariadbd --no-defaults --datadir="$data" --bootstrap <<SQL
FLUSH PRIVILEGES;
CREATE DATABASE \`$MARIADB_DATABASE\`;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$quoted';
GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
SQL
  touch "$data/.made"; sync "$data"
  unset MARIADB_PASSWORD quoted
fi
exec "${server[@]}" "$@"
