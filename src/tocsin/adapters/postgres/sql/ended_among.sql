SELECT d.number FROM unnest($1::text::bigint[]) AS asked (number) JOIN delivery AS d ON d.number = asked.number WHERE d.state || '' <> 'pending'
