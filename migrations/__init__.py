"""The history of the schema, one for SQLite and PostgreSQL. `python -m migrations` brings a database to its end."""
