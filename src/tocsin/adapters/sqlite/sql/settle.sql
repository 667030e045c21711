UPDATE OR FAIL delivery SET
    state = outcome.column2, reason = outcome.column3,
    due_at = outcome.column4, step = outcome.column5, at_once = outcome.column6, attempts = outcome.column7,
    settled_at = CASE WHEN outcome.column2 = 'pending' THEN delivery.settled_at ELSE outcome.column8 END
FROM (VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?, ?) /*row*/) AS outcome
WHERE delivery.number = outcome.column1 AND delivery.state = 'pending'
