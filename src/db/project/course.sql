-- What a month came to beside the money that came in, asked at its end.
SELECT
  (SELECT CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) FROM installment i JOIN agreement a ON a.id = i.agreement_id
    WHERE i.state = 'open' AND i.due <= :to AND a.state IN ('active','paused','completed','settling')) AS open_amount,
  (SELECT CAST(COALESCE(SUM(r.amount), 0) AS BIGINT) FROM refund r
    WHERE r.state = 'paid' AND r.rail <> 'cash' AND r.paid_at >= :start AND r.paid_at < :end) AS back_by_rail,
  (SELECT CAST(COALESCE(SUM(r.amount), 0) AS BIGINT) FROM refund r
    WHERE r.rail = 'cash' AND r.noted_at >= :start AND r.noted_at < :end) AS back_by_hand,
  (SELECT CAST(COALESCE(SUM(s.claim), 0) AS BIGINT) FROM statement s
    WHERE s.confirmed_at >= :start AND s.confirmed_at < :end) AS claims,
  (SELECT count(*) FROM agreement a WHERE a.end_cause IN ('completed','terms_over') AND a.ended_at >= :start AND a.ended_at < :end) AS completed,
  (SELECT count(*) FROM statement s JOIN agreement a ON a.id = s.agreement_id
    WHERE s.notice_at >= :start AND s.notice_at < :end AND a.ended_at = s.notice_at) AS terminated,
  (SELECT count(*) FROM mandate m
    WHERE (m.state IN ('revoked','expired') OR (m.state IN ('closing','closed') AND m.end_cause = 'expiry'))
      AND m.ended_at >= :start AND m.ended_at < :end) AS mandates_ended,
  (SELECT count(*) FROM flag f JOIN agreement a ON a.id = f.agreement_id
    WHERE f.cleared_at IS NULL AND a.state IN ('active','paused')) AS high_risk
