SELECT pending FROM replay WHERE number = ?
