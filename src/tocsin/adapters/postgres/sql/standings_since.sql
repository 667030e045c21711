SELECT state FROM standing WHERE moved > $1
