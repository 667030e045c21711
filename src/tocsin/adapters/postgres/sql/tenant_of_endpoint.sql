SELECT tenant FROM endpoint WHERE number = $1
UNION ALL SELECT tenant FROM delivery WHERE endpoint = $1
LIMIT 1
