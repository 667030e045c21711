UPDATE replay SET filters = $1 WHERE number = $2
