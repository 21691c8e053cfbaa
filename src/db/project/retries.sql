-- Debits after the first one of their term, whose result is the customer's.
WITH decided AS (
  SELECT c.state, c.noted_at, ROW_NUMBER() OVER (PARTITION BY c.agreement_id, c.term ORDER BY c.attempt) AS place
  FROM charge c
  WHERE c.kind = 'debit'
    AND (c.state = 'paid'
      OR (c.state = 'declined' AND c.reason IN ('no_funds','limit','risk_refused','customer_blocked','other')))
)
SELECT CAST(COALESCE(SUM(CASE WHEN d.state = 'paid' THEN 1 ELSE 0 END), 0) AS BIGINT) AS paid, count(*) AS decided
FROM decided d
WHERE d.place > 1 AND d.noted_at >= :since
