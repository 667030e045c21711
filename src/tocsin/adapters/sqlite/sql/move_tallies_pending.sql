UPDATE tally SET pending = tally.pending + moved.column3
FROM (VALUES /*row*/ (?, ?, ?) /*row*/) AS moved
WHERE tally.tenant = moved.column1 AND tally.endpoint = moved.column2
