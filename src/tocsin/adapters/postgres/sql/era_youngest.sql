SELECT /*time*/ accepted_at /*time*/ FROM /*table*/ event /*table*/
WHERE /*key*/ position /*key*/ >= $1 AND /*key*/ position /*key*/ < $2
ORDER BY /*key*/ position /*key*/ DESC LIMIT 1
