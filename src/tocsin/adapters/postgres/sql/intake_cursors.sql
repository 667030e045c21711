SELECT partition, incarnation, sequence, numbers FROM intake ORDER BY partition
