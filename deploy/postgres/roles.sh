#!/bin/sh
# Run once, when the database is made: `retort_owner` owns the tables and migrates them; `retort`, as which API and workers
# come, may read and write rows. Neither is a superuser.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set owner_password="$(cat /run/secrets/postgres_owner_password)" \
    --set app_password="$(cat /run/secrets/postgres_app_password)" <<'SQL'
CREATE ROLE retort_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE retort LOGIN PASSWORD :'app_password';
ALTER DATABASE retort OWNER TO retort_owner;
REVOKE ALL ON DATABASE retort FROM PUBLIC;
GRANT CONNECT ON DATABASE retort TO retort;
ALTER SCHEMA public OWNER TO retort_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO retort;
ALTER DEFAULT PRIVILEGES FOR ROLE retort_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO retort;
ALTER DEFAULT PRIVILEGES FOR ROLE retort_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO retort;
SQL
