-- What rails charged, as booked when their bills were reconciled.
SELECT e.id, e.day, e.kind, e.ref, e.note, p.amount
FROM entry e
JOIN posting p ON p.entry_id = e.id
WHERE e.day BETWEEN :from AND :to AND p.account = 'fees'
ORDER BY e.day, e.id, p.line
