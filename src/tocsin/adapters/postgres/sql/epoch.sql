-- Nobody takes the right to write away before COMMIT; beats go on.
SELECT epoch FROM node WHERE epoch = $1 FOR KEY SHARE
