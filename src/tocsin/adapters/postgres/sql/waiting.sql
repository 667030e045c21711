SELECT endpoint, lane, min(due_at) FROM delivery WHERE state = 'pending' AND blocked = 0 GROUP BY endpoint, lane
