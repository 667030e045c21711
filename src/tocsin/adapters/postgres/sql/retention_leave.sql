INSERT INTO retention_left (what, number) SELECT $1, value FROM unnest($2::bigint[]) AS given(value)
