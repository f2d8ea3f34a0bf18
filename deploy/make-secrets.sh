#!/bin/sh
# Makes the secrets that docker-compose.yml asks for, as files: `sh deploy/make-secrets.sh [FOLDER]`, ./secrets by default.
# What is there stays. Keep the folder, and back it up apart from the database: without secrets/retort_secrets_key, stored
# secrets cannot be read. Services run as different users, so the files are readable inside their folder, which only you enter.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || { cat > "$1.new"; chmod 444 "$1.new"; mv "$1.new" "$1"; }; }

for name in postgres_password postgres_owner_password postgres_app_password redis_password retort_blob_secret_access_key; do
    random | keep "$name"
done
random | cut -c1-20 | tr -d '\n' | keep retort_blob_access_key_id
head -c 32 /dev/urandom | base64 | tr -d '\n' | keep retort_secrets_key

url() { printf 'postgresql+psycopg://%s:%s@postgres:5432/retort' "$1" "$(cat "$2")"; }
url retort_owner postgres_owner_password | keep owner_database_url
url retort postgres_app_password | keep retort_database_url
printf 'redis://:%s@redis:6379/0' "$(cat redis_password)" | keep retort_broker_url
printf '{"identities":[{"name":"retort","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":["Admin"]}]}' \
    "$(cat retort_blob_access_key_id)" "$(cat retort_blob_secret_access_key)" | keep s3.json
echo "$folder has $(ls | wc -l) files"
