SELECT min(position) FROM event WHERE position >= ?
