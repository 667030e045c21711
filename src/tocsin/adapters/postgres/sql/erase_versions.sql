UPDATE version SET content_hash = ''::bytea WHERE tenant = $1 AND version_id = ANY($2) AND content_hash <> ''::bytea
