-- Agreements whose high-risk flag stood at the end of the period, the newest first, with how many there are in all.
SELECT
  f.agreement_id, f.since, f.reason, a.customer_id, c.wrapped_key, c.name, c.phone,
  count(*) OVER () AS standing
FROM flag f
JOIN agreement a ON a.id = f.agreement_id
JOIN customer c ON c.id = a.customer_id
WHERE f.kind = 'high_risk' AND f.since < :end AND (f.cleared_at IS NULL OR f.cleared_at >= :end)
ORDER BY f.since DESC, f.id DESC
LIMIT :top
