SELECT number FROM commit_group WHERE one = 1
