SELECT a.place, length(a.detail) + coalesce(length(a.body), 0)
FROM unnest($1::text::bigint[]) AS d(value) JOIN attempt AS a ON a.place >= d.value << 20 AND a.place < (d.value + 1) << 20
WHERE a.place > $2
ORDER BY a.place LIMIT $3
