SELECT endpoint, lane, min(due_at) FROM batch WHERE state = 'pending' GROUP BY endpoint, lane
