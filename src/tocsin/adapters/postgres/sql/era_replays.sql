SELECT 1 FROM replay WHERE finished_at IS NULL AND last >= $1 AND position < $2 LIMIT 1
