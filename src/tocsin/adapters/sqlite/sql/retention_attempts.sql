SELECT a.place, a.detail
FROM carray(?) AS d CROSS JOIN attempt AS a ON a.place >= d.value << 20 AND a.place < (d.value + 1) << 20
