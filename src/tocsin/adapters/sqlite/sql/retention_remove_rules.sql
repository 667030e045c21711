DELETE FROM retention WHERE tenant = ?
