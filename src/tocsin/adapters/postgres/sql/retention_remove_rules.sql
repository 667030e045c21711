DELETE FROM retention WHERE tenant = $1
