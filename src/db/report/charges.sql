-- Charges of the period: those booked in it (their day is the day of their journal entry), those declined in it, and those noted in
-- it whose outcome is still open. `e.kind || ''` keeps the reader on the days of the period: the index by kind would read every
-- charge ever booked.
SELECT e.day AS day, c.noted_at AS at, c.id, c.agreement_id, c.term, c.attempt, c.kind, c.rail, c.order_no, c.trade_no, c.amount,
       c.state, c.reason, c.code, c.paid_at, a.customer_id, u.wrapped_key, u.name, u.phone
FROM entry e
JOIN charge c ON c.id = CAST(substr(e.ref, 3) AS BIGINT)
JOIN agreement a ON a.id = c.agreement_id
JOIN customer u ON u.id = a.customer_id
WHERE e.day BETWEEN :from AND :to AND e.kind || '' = 'charge'
UNION ALL
SELECT NULL AS day, c.answered_at AS at, c.id, c.agreement_id, c.term, c.attempt, c.kind, c.rail, c.order_no, c.trade_no, c.amount,
       c.state, c.reason, c.code, c.paid_at, a.customer_id, u.wrapped_key, u.name, u.phone
FROM charge c
JOIN agreement a ON a.id = c.agreement_id
JOIN customer u ON u.id = a.customer_id
WHERE c.state IN ('paid','declined') AND c.state <> 'paid' AND c.answered_at >= :start AND c.answered_at < :end
UNION ALL
SELECT NULL AS day, c.noted_at AS at, c.id, c.agreement_id, c.term, c.attempt, c.kind, c.rail, c.order_no, c.trade_no, c.amount,
       c.state, c.reason, c.code, c.paid_at, a.customer_id, u.wrapped_key, u.name, u.phone
FROM charge c
JOIN agreement a ON a.id = c.agreement_id
JOIN customer u ON u.id = a.customer_id
WHERE c.state IN ('noted','pending','unknown') AND c.noted_at >= :start AND c.noted_at < :end
