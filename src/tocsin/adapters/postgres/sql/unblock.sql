UPDATE delivery SET blocked = blocked - 1 WHERE number = $1 RETURNING blocked
