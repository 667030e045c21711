SELECT tenant, rules FROM retention
