UPDATE commit_group SET number = $1 WHERE one = 1
