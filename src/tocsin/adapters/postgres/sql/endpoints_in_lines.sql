SELECT DISTINCT endpoint FROM line WHERE delivery = ANY($1::text::bigint[]) ORDER BY endpoint
