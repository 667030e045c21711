UPDATE commit_group SET number = ? WHERE one = 1
