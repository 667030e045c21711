DELETE FROM session WHERE seen_at < :over
OR (key = :key AND hash NOT IN (SELECT hash FROM session WHERE key = :key ORDER BY seen_at DESC, started_at DESC LIMIT :limit))
