SELECT at FROM retention_clock WHERE one = 1
