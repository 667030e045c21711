SELECT version_counter FROM tenant WHERE name = ?
