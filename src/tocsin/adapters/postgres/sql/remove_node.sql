-- Waits for writes under way. Whoever lost this right itself takes it from nobody.
DELETE FROM node WHERE epoch = $1 AND beats = $2 AND EXISTS (SELECT 1 FROM node AS mine WHERE mine.epoch = $3)
