SELECT asked.place, a.body
FROM unnest($1::text::bigint[]) AS asked (place) CROSS JOIN LATERAL (
    SELECT body FROM attempt
    WHERE place >= asked.place >> 20 << 20 AND place < asked.place AND body IS NOT NULL ORDER BY place DESC LIMIT 1
) AS a
