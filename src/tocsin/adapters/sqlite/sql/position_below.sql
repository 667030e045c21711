SELECT max(position) FROM event WHERE position < ?
