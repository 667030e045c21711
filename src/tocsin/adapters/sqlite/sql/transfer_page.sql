SELECT /*columns*/ position /*columns*/
FROM /*table*/ event /*table*/
WHERE (/*key*/ position /*key*/) > (/*after*/ ? /*after*/) --? after
ORDER BY /*key*/ position /*key*/
LIMIT ?
