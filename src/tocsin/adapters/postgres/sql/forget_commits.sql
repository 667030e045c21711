DELETE FROM committed WHERE writer IN (
    SELECT writer FROM committed WHERE at < now() - interval '1 day' FOR UPDATE SKIP LOCKED
)
