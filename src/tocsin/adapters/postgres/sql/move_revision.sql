UPDATE revision SET number = number + 1 WHERE what = $1
