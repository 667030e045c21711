DELETE FROM standing_wish WHERE number = ANY($1::bigint[])
