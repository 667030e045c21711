SELECT number FROM revision WHERE what = 'standings'
