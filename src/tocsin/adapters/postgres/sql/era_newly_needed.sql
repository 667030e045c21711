SELECT DISTINCT position FROM delivery WHERE number >= $1 AND position >= $2 AND position < $3
