SELECT a.place, length(a.detail) + coalesce(length(a.body), 0)
FROM unnest($1::text::bigint[]) AS b(value) JOIN batch_attempt AS a ON a.place >= b.value << 20 AND a.place < (b.value + 1) << 20
WHERE a.place > $2
ORDER BY a.place LIMIT $3
