SELECT /*columns*/ position /*columns*/
FROM /*table*/ event /*table*/
WHERE (/*key*/ position /*key*/) > (/*after*/ $2 /*after*/) --? after
ORDER BY /*key*/ position /*key*/
LIMIT $1
