UPDATE tally SET events = tally.events + moved.column3
FROM (VALUES /*row*/ (?, ?, ?) /*row*/) AS moved
WHERE tally.tenant = moved.column1 AND tally.endpoint = moved.column2
