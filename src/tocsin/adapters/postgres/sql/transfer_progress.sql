SELECT name, after, rows, digest, is_checked FROM transfer_progress
