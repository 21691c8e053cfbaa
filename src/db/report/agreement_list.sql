-- Agreements that ran on a day of the period, with what was collected for them by its end.
SELECT a.id, a.no, a.customer_id, a.plan_code, a.plan_name, a.source, a.state, a.monthly, a.terms, a.signed_on, a.ends_on,
       a.paid_before, a.ended_at, a.end_cause, u.wrapped_key, u.name, u.phone,
  (SELECT CAST(count(*) AS BIGINT) FROM charge c
     WHERE c.agreement_id = a.id AND c.state = 'paid' AND c.paid_at < :end) AS collected_terms,
  (SELECT CAST(COALESCE(SUM(c.amount), 0) AS BIGINT) FROM charge c
     WHERE c.agreement_id = a.id AND c.state = 'paid' AND c.paid_at < :end) AS collected
FROM agreement a
JOIN customer u ON u.id = a.customer_id
WHERE a.signed_on <= :to AND (a.ended_at IS NULL OR a.ended_at >= :start)
ORDER BY a.id
