INSERT INTO standing_wish (endpoint, what, number, wish)
SELECT $1, $2, number, $3 FROM revision WHERE revision.what = 'standings'
ON CONFLICT (endpoint, what) DO UPDATE SET number = excluded.number, wish = excluded.wish
