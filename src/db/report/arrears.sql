-- Everything unpaid today, whatever month it fell due in, by days past due: read through the partial indexes of open terms.
SELECT
  CAST(COALESCE(SUM(CASE WHEN o.due <= :late_1 THEN o.amount ELSE 0 END), 0) AS BIGINT) AS late_1_amount,
  CAST(COALESCE(SUM(CASE WHEN o.due <= :late_8 THEN o.amount ELSE 0 END), 0) AS BIGINT) AS late_8_amount,
  CAST(COALESCE(SUM(CASE WHEN o.due <= :late_31 THEN o.amount ELSE 0 END), 0) AS BIGINT) AS late_31_amount
FROM (
  SELECT due, amount FROM installment WHERE state = 'open' AND course IN ('failed','missed') AND due <= :late_1
  UNION ALL
  SELECT due, amount FROM installment WHERE state = 'open' AND course IN ('planned','failing') AND due <= :late_1
) o
