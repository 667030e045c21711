"""The shared store: PostgreSQL by asyncpg."""
