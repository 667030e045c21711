SELECT cursor.partition, position, endpoint
FROM node LEFT JOIN cursor ON cursor.holder = node.epoch
WHERE node.epoch = $1
