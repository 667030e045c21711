SELECT DISTINCT endpoint FROM line WHERE delivery = ANY($1::bigint[]) ORDER BY endpoint
