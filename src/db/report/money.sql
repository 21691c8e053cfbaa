-- What the journal of the period says: one pass over its entries and postings.
SELECT
  CAST(COALESCE(SUM(CASE WHEN e.kind = 'charge' AND p.amount > 0 THEN p.amount ELSE 0 END), 0) AS BIGINT) AS collected,
  CAST(COALESCE(SUM(CASE WHEN e.kind = 'charge' AND p.line = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS collections,
  CAST(COALESCE(SUM(CASE WHEN e.kind = 'refund_paid' AND p.amount > 0 THEN p.amount ELSE 0 END), 0) AS BIGINT) AS refunded,
  CAST(COALESCE(SUM(CASE WHEN e.kind = 'refund_paid' AND p.line = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS refunds,
  CAST(COALESCE(SUM(CASE WHEN p.account LIKE 'sales:%' THEN -p.amount ELSE 0 END), 0) AS BIGINT) AS revenue,
  CAST(COALESCE(SUM(CASE WHEN p.account = 'cost' THEN p.amount ELSE 0 END), 0) AS BIGINT) AS cost
FROM entry e
JOIN posting p ON p.entry_id = e.id
WHERE e.day BETWEEN :from AND :to
