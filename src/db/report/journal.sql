-- Every posting of the period, entry by entry.
SELECT e.id, e.at, e.day, e.kind, e.ref, e.customer_id AS whose, e.corrects, e.note, p.line, p.account, p.customer_id, p.amount
FROM entry e
JOIN posting p ON p.entry_id = e.id
WHERE e.day BETWEEN :from AND :to
ORDER BY e.day, e.id, p.line
