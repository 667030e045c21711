SELECT max(number) FROM delivery WHERE position >= $1 AND position < $2
