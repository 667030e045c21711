SELECT a.place, length(a.detail) + coalesce(length(a.body), 0)
FROM carray(?) AS d CROSS JOIN attempt AS a ON a.place >= d.value << 20 AND a.place < (d.value + 1) << 20
WHERE a.place > ?
ORDER BY a.place LIMIT ?
