UPDATE replay SET position = ?, made = made + ? WHERE number = ? AND position = ? AND state = 'running'
