SET lock_timeout = '250ms'
