SELECT state FROM standing
