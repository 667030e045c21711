DELETE FROM attempt WHERE place IN (
    SELECT a.place FROM unnest($1::bigint[]) AS d(value) JOIN attempt AS a ON a.place >= d.value << 20 AND a.place < (d.value + 1) << 20
)
