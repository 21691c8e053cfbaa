-- Mandates that are not over, with what their rail knows of them: debits made, and the day of the next one.
WITH made AS (
  SELECT mandate_id, count(*) AS paid FROM charge WHERE state = 'paid' AND mandate_id IS NOT NULL GROUP BY mandate_id
), next_term AS (
  SELECT agreement_id, MIN(due) AS due, MAX(amount) AS amount FROM installment
  WHERE state = 'open' AND course IN ('planned','failing') GROUP BY agreement_id
)
SELECT m.id, m.rail, m.contract_no, m.provider_no, m.state, m.signed_at, m.valid_until, a.terms,
       COALESCE(n.amount, a.monthly) AS amount, COALESCE(n.due, m.valid_until) AS next_due, COALESCE(p.paid, 0) AS paid
FROM mandate m
JOIN agreement a ON a.id = m.agreement_id
LEFT JOIN made p ON p.mandate_id = m.id
LEFT JOIN next_term n ON n.agreement_id = m.agreement_id
WHERE m.state IN ('waiting','live','closing')
ORDER BY m.id
