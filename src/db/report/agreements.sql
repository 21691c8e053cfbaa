-- Agreements signed in the period, running at its end, completed and terminated in it: one pass over the index agreement_course.
-- One that had ended before its notice ran to its end, and the customer asked for what was left: nobody terminated it.
SELECT
  CAST(COALESCE(SUM(CASE WHEN a.signed_on BETWEEN :from AND :to AND a.state <> 'cancelled'
                          AND (s.cause IS NULL OR s.cause <> 'cooling_off') THEN 1 ELSE 0 END), 0) AS BIGINT) AS signed,
  CAST(COALESCE(SUM(CASE WHEN a.active_at < :end AND a.state <> 'cancelled'
                          AND (s.notice_at IS NULL OR s.notice_at >= :end)
                          AND (a.ended_at IS NULL OR a.ended_at >= :end)
                          AND (a.state <> 'completed' OR a.ended_at IS NOT NULL OR a.ends_on >= :to)
                     THEN 1 ELSE 0 END), 0) AS BIGINT) AS active,
  CAST(COALESCE(SUM(CASE WHEN (a.state = 'completed' OR a.ended_at < s.notice_at)
                          AND ((a.ended_at >= :start AND a.ended_at < :end)
                               OR (a.ended_at IS NULL AND a.ends_on BETWEEN :from AND :to))
                     THEN 1 ELSE 0 END), 0) AS BIGINT) AS completed,
  CAST(COALESCE(SUM(CASE WHEN s.notice_at >= :start AND s.notice_at < :end AND a.ended_at = s.notice_at THEN 1 ELSE 0 END), 0) AS BIGINT) AS ended
FROM agreement a
LEFT JOIN statement s ON s.agreement_id = a.id
