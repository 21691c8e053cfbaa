-- Orders that a rail may still be asked about: open ones, and paid ones whose money may go back.
WITH back AS (
  SELECT charge_id, CAST(SUM(amount) AS BIGINT) AS refunded FROM refund
  WHERE state = 'paid' AND charge_id IS NOT NULL GROUP BY charge_id
)
SELECT c.id, c.rail, c.order_no, c.kind, c.state, c.amount, c.trade_no, c.mandate_id, c.noted_at, c.pending_until, c.paid_at,
       m.contract_no, COALESCE(b.refunded, 0) AS refunded
FROM charge c
JOIN agreement a ON a.id = c.agreement_id
LEFT JOIN mandate m ON m.id = c.mandate_id
LEFT JOIN back b ON b.charge_id = c.id
WHERE c.kind <> 'cash'
  AND (c.state IN ('noted','pending','unknown')
    OR (c.state = 'paid' AND (a.state IN ('active','paused','settling')
      OR EXISTS (SELECT 1 FROM refund r WHERE r.charge_id = c.id AND r.state IN ('noted','pending','unknown')))))
ORDER BY c.id
