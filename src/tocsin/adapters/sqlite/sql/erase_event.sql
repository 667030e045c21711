UPDATE event SET subject_id = '', keys = NULL, cloud = NULL, data = x'' WHERE position = ?
