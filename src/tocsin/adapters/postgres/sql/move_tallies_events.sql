UPDATE tally SET events = tally.events + moved.column3
FROM (VALUES /*row*/ ($1, $2, $3) /*row*/) AS moved
WHERE tally.tenant = moved.column1 AND tally.endpoint = moved.column2
