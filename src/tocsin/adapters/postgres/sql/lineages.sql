WITH RECURSIVE ancestor (id, parent, root, depth) AS (
    SELECT id, parent, root, 0 FROM job WHERE tenant = $1 AND id = ANY($2)
    UNION
    SELECT job.id, job.parent, job.root, ancestor.depth + 1
    FROM ancestor JOIN job ON job.tenant = $1 AND job.id = ancestor.parent
    WHERE ancestor.depth < 256
)
SELECT id, parent, root FROM ancestor
