-- Every movement on a wallet; positive goes in.
SELECT e.id, e.day, e.kind, e.ref, e.note, p.account, p.customer_id, -p.amount AS amount, u.wrapped_key, u.name, u.phone
FROM entry e
JOIN posting p ON p.entry_id = e.id
JOIN customer u ON u.id = p.customer_id
WHERE e.day BETWEEN :from AND :to AND p.account IN ('wallet:principal','wallet:bonus')
ORDER BY e.day, e.id, p.line
