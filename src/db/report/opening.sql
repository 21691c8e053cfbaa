-- What stood on each account when the period began.
SELECT p.customer_id, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM entry e
JOIN posting p ON p.entry_id = e.id
WHERE e.day < :from
GROUP BY p.customer_id, p.account
HAVING SUM(p.amount) <> 0
ORDER BY p.customer_id, p.account
