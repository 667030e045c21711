SELECT coalesce(octet_length(/*wide*/ data /*wide*/), 0)
FROM /*table*/ event /*table*/
WHERE (/*key*/ position /*key*/) > (/*after*/ ? /*after*/) --? after
ORDER BY /*key*/ position /*key*/
LIMIT ?
