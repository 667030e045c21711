SELECT a.place, a.detail
FROM unnest($1::text::bigint[]) AS d(value) JOIN attempt AS a ON a.place >= d.value << 20 AND a.place < (d.value + 1) << 20
