SELECT version_counter FROM tenant WHERE name = $1
