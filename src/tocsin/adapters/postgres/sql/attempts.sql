SELECT attempt.detail, attempt.body
FROM attempt
WHERE attempt.place >= :first AND attempt.place < :end
    AND EXISTS (SELECT 1 FROM delivery WHERE number = :delivery AND tenant = :tenant) --? tenant
ORDER BY attempt.place
LIMIT 1000
