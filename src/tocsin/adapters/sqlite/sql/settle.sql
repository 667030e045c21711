UPDATE delivery SET
    state = CASE
        WHEN delivery.state = 'pending' THEN outcome.column2
        WHEN delivery.state = 'cancelled' AND outcome.column2 = 'delivered' THEN 'delivered'
        ELSE delivery.state
    END,
    reason = CASE
        WHEN delivery.state = 'pending' OR outcome.column2 = 'delivered' THEN outcome.column3
        ELSE delivery.reason
    END,
    due_at = outcome.column4, step = outcome.column5, at_once = outcome.column6, attempts = outcome.column7,
    settled_at = CASE WHEN outcome.column2 = 'pending' THEN delivery.settled_at ELSE outcome.column8 END
FROM (VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?, ?) /*row*/) AS outcome
WHERE delivery.number = outcome.column1
