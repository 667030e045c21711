SELECT e.position FROM delivery AS d JOIN event AS e ON e.position = d.position WHERE d.number = ?
