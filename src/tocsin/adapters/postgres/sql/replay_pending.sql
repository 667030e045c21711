SELECT pending FROM replay WHERE number = $1
