DELETE FROM tally_history AS h USING unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS old (tenant, endpoint, step, minute)
WHERE h.tenant = old.tenant AND h.endpoint = old.endpoint AND h.step = old.step AND h.minute < (
    SELECT max(minute) FROM tally_history AS t
    WHERE t.tenant = old.tenant AND t.endpoint = old.endpoint AND t.step = old.step AND t.minute < old.minute
)
