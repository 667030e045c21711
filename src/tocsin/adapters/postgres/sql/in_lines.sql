SELECT DISTINCT delivery FROM line WHERE delivery = ANY($1)
