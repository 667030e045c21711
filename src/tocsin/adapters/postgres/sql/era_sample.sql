SELECT count(e.position)
FROM (SELECT position FROM delivery WHERE number >= $1 AND number < $2 ORDER BY number DESC LIMIT 100) AS d
    JOIN event AS e ON e.position = d.position
