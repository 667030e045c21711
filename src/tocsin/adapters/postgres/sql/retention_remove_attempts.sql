DELETE FROM attempt USING unnest($1::text::bigint[]) AS d (value) WHERE place >= d.value << 20 AND place < (d.value + 1) << 20
