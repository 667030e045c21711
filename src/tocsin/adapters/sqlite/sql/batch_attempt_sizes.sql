SELECT a.place, length(a.detail) + coalesce(length(a.body), 0)
FROM carray(?) AS b CROSS JOIN batch_attempt AS a ON a.place >= b.value << 20 AND a.place < (b.value + 1) << 20
WHERE a.place > ?
ORDER BY a.place LIMIT ?
