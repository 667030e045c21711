SELECT number FROM batch WHERE waits_for = $1
