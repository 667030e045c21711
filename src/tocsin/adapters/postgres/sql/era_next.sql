SELECT /*key*/ position /*key*/, /*time*/ accepted_at /*time*/
FROM /*table*/ event /*table*/
WHERE /*key*/ position /*key*/ > $1
ORDER BY /*key*/ position /*key*/
LIMIT 1
