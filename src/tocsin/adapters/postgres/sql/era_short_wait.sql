SET LOCAL lock_timeout = '250ms'
