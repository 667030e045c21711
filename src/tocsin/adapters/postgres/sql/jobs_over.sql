(SELECT tenant, id, 'overdue', overdue_at FROM job WHERE overdue_at IS NOT NULL ORDER BY overdue_at LIMIT :limit)
UNION ALL
(SELECT tenant, id, 'lost', lost_at FROM job WHERE lost_at IS NOT NULL ORDER BY lost_at LIMIT :limit)
