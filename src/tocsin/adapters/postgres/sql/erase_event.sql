UPDATE event SET subject_id = '', keys = NULL, cloud = NULL, data = ''::bytea WHERE position = $1
