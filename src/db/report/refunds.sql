-- Refunds of the period: those booked as paid in it, and those noted in it that are not paid yet.
SELECT e.day AS day, r.noted_at AS at, r.id, r.charge_id, r.rail, r.refund_no, r.amount, r.state, r.why, r.code, r.customer_id,
       u.wrapped_key, u.name, u.phone
FROM entry e
JOIN refund r ON r.id = CAST(substr(e.ref, 3) AS BIGINT)
JOIN customer u ON u.id = r.customer_id
WHERE e.day BETWEEN :from AND :to AND e.kind || '' = 'refund_paid'
UNION ALL
SELECT NULL AS day, r.noted_at AS at, r.id, r.charge_id, r.rail, r.refund_no, r.amount, r.state, r.why, r.code, r.customer_id,
       u.wrapped_key, u.name, u.phone
FROM refund r
JOIN customer u ON u.id = r.customer_id
WHERE r.state <> 'paid' AND r.noted_at >= :start AND r.noted_at < :end
