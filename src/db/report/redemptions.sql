-- Order lines delivered and returned, as booked: what was sold, what went back to the wallet, what it cost.
SELECT e.id, e.day, e.kind, e.ref, e.customer_id, u.wrapped_key, u.name, u.phone,
  (SELECT CAST(COALESCE(-SUM(p.amount), 0) AS BIGINT) FROM posting p
     WHERE p.entry_id = e.id AND p.account LIKE 'sales:%') AS amount,
  (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM posting p
     WHERE p.entry_id = e.id AND p.account IN ('wallet:principal','wallet:bonus')) AS from_wallet,
  (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM posting p
     WHERE p.entry_id = e.id AND p.account = 'cost') AS cost
FROM entry e
LEFT JOIN customer u ON u.id = e.customer_id
WHERE e.day BETWEEN :from AND :to AND e.kind || '' IN ('delivery','return')
ORDER BY e.day, e.id
