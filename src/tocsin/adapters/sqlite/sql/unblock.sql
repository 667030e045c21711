UPDATE delivery SET blocked = blocked - 1 WHERE number = ? RETURNING blocked
