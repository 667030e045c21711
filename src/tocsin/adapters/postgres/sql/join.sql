-- Not one that the database has left behind.
INSERT INTO node (name, knows)
SELECT $1::text, $2::bigint WHERE NOT EXISTS (SELECT 1 FROM migration WHERE oldest > $2::bigint)
RETURNING epoch
