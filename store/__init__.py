"""The database: tables, every legal transition of a job, blobs, settings."""
