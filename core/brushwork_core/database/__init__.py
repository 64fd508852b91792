"""The database: connections, tables and migrations for SQLite and PostgreSQL."""
