SELECT revision FROM directory WHERE one = 1
