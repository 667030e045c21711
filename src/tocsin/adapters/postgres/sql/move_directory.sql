UPDATE directory SET revision = revision + 1 WHERE one = 1
