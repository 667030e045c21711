-- Of all shards, as those of processes that are gone have nobody else.
DELETE FROM tally_history AS h USING unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[]) AS old (tenant, endpoint, step, minute)
WHERE h.tenant = old.tenant AND h.endpoint = old.endpoint AND h.step = old.step AND h.minute < (
    SELECT max(minute) FROM tally_history AS t
    WHERE t.tenant = old.tenant AND t.endpoint = old.endpoint AND t.shard = h.shard AND t.step = old.step AND t.minute < old.minute
)
