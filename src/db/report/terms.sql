-- Installments due in the period: what was due, what was paid by its end, and what was overdue at the cut-off day, by amount and
-- by agreement. Cancelled terms, terms collected before kibble, and agreements left within the cooling-off days do not count.
SELECT
  CAST(count(*) AS BIGINT) AS due_count,
  CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) AS due_amount,
  CAST(COALESCE(SUM(CASE WHEN i.paid_at < :end THEN 1 ELSE 0 END), 0) AS BIGINT) AS paid_count,
  CAST(COALESCE(SUM(CASE WHEN i.paid_at < :end THEN i.amount ELSE 0 END), 0) AS BIGINT) AS paid_amount,
  CAST(COALESCE(SUM(CASE WHEN i.due <= :cut_off THEN i.amount ELSE 0 END), 0) AS BIGINT) AS fallen_amount,
  count(DISTINCT CASE WHEN i.due <= :cut_off THEN i.agreement_id END) AS fallen_agreements,
  CAST(COALESCE(SUM(CASE WHEN i.due <= :late_1 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.amount ELSE 0 END), 0) AS BIGINT) AS late_1_amount,
  count(DISTINCT CASE WHEN i.due <= :late_1 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.agreement_id END) AS late_1_agreements,
  CAST(COALESCE(SUM(CASE WHEN i.due <= :late_8 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.amount ELSE 0 END), 0) AS BIGINT) AS late_8_amount,
  count(DISTINCT CASE WHEN i.due <= :late_8 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.agreement_id END) AS late_8_agreements,
  CAST(COALESCE(SUM(CASE WHEN i.due <= :late_31 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.amount ELSE 0 END), 0) AS BIGINT) AS late_31_amount,
  count(DISTINCT CASE WHEN i.due <= :late_31 AND (i.paid_at IS NULL OR i.paid_at >= :end) THEN i.agreement_id END) AS late_31_agreements
FROM installment i
WHERE i.due BETWEEN :from AND :to
  AND i.state NOT IN ('cancelled','before')
  AND i.agreement_id NOT IN (SELECT s.agreement_id FROM statement s WHERE s.cause = 'cooling_off')
