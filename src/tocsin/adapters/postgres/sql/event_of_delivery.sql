-- The endpoint is not removed before COMMIT.
SELECT d.position FROM delivery AS d JOIN event AS e ON e.position = d.position JOIN endpoint AS p ON p.number = d.endpoint
WHERE d.number = $1 AND (e.cloud IS NOT NULL OR length(e.data) > 0) AND p.deleted_at IS NULL
FOR SHARE OF p
