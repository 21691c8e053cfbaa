-- The first debit of each term with a result that is the customer's, by rail. Apart, when all tries of the term before had failed: then
-- what counts is whether all tries of this one failed too, because whoever has stopped paying is not helped by a retry.
WITH decided AS (
  SELECT c.agreement_id, c.term, c.rail, c.state, c.noted_at,
         ROW_NUMBER() OVER (PARTITION BY c.agreement_id, c.term ORDER BY c.attempt) AS place,
         SUM(CASE WHEN c.state = 'paid' THEN 1 ELSE 0 END) OVER (PARTITION BY c.agreement_id, c.term) AS paid
  FROM charge c
  WHERE c.kind = 'debit'
    AND (c.state = 'paid'
      OR (c.state = 'declined' AND c.reason IN ('no_funds','limit','risk_refused','customer_blocked','other')))
)
SELECT d.rail,
       CASE WHEN q.course = 'failed' THEN 1 ELSE 0 END AS after_failure,
       CAST(SUM(CASE WHEN d.state = 'declined' AND (d.paid = 0 OR COALESCE(q.course, '') <> 'failed') THEN 1 ELSE 0 END) AS BIGINT)
         AS declined,
       count(*) AS decided
FROM decided d
LEFT JOIN installment q ON q.agreement_id = d.agreement_id AND q.term = d.term - 1
WHERE d.place = 1 AND d.noted_at >= :since
GROUP BY d.rail, CASE WHEN q.course = 'failed' THEN 1 ELSE 0 END
ORDER BY d.rail, after_failure
