SELECT number, endpoint, lane FROM /*era*/ delivery_0 /*era*/ WHERE state = 'dead' AND number <> ALL($1::bigint[])
