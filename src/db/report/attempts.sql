-- Debits for the installments due in the period. A charge that was given up without money moving (void) is no attempt. `first` is
-- the attempt with the lowest number; looking for an earlier one costs a look-up for retries only. Which day follows another
-- stands in :calendar, because databases share no arithmetic of dates.
WITH tries AS (
  SELECT
    c.state,
    c.noted_at,
    CASE WHEN c.attempt = 1 THEN 1
         WHEN EXISTS (SELECT 1 FROM charge e
                      WHERE e.agreement_id = c.agreement_id AND e.term = c.term AND e.attempt < c.attempt
                        AND e.kind = 'debit' AND e.state <> 'void') THEN 0
         ELSE 1 END AS is_first,
    CASE WHEN c.attempt > 1 AND c.state = 'paid'
         THEN (SELECT MIN(e.noted_at) FROM charge e
               WHERE e.agreement_id = c.agreement_id AND e.term = c.term AND e.attempt <= c.attempt
                 AND e.kind = 'debit' AND e.state <> 'void')
         END AS first_at
  FROM installment i
  JOIN charge c ON c.agreement_id = i.agreement_id AND c.term = i.term
  WHERE i.due BETWEEN :from AND :to
    AND i.state NOT IN ('cancelled','before')
    AND i.agreement_id NOT IN (SELECT s.agreement_id FROM statement s WHERE s.cause = 'cooling_off')
    AND c.kind = 'debit' AND c.state <> 'void'
)
SELECT
  CAST(COALESCE(SUM(is_first), 0) AS BIGINT) AS presented,
  CAST(COALESCE(SUM(CASE WHEN state = 'paid' AND is_first = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS first_try,
  CAST(COALESCE(SUM(CASE WHEN state <> 'paid' THEN 0
                         WHEN first_at IS NULL THEN 1
                         WHEN substr(first_at, 1, 10) = substr(noted_at, 1, 10) THEN 1
                         WHEN substr(noted_at, 11) <= substr(first_at, 11)
                          AND :calendar LIKE '%' || substr(first_at, 1, 10) || ',' || substr(noted_at, 1, 10) || '%' THEN 1
                         ELSE 0 END), 0) AS BIGINT) AS within_day,
  CAST(COALESCE(SUM(CASE WHEN state IN ('paid','declined') THEN 1 ELSE 0 END), 0) AS BIGINT) AS decided,
  CAST(COALESCE(SUM(CASE WHEN state = 'paid' THEN 1 ELSE 0 END), 0) AS BIGINT) AS paid
FROM tries
