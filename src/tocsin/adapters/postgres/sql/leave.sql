DELETE FROM node WHERE epoch = $1
