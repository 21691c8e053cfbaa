-- What the books say about the period, for comparing with the files. Money comes from the journal, also where a file lists charges
-- or refunds; so a file agrees only when records and books do.
SELECT
  (SELECT CAST(count(*) AS BIGINT) FROM entry e WHERE e.day BETWEEN :from AND :to AND e.kind || '' = 'charge')
  + (SELECT CAST(count(*) AS BIGINT) FROM charge c
       WHERE c.state IN ('paid','declined') AND c.state <> 'paid' AND c.answered_at >= :start AND c.answered_at < :end)
  + (SELECT CAST(count(*) AS BIGINT) FROM charge c
       WHERE c.state IN ('noted','pending','unknown') AND c.noted_at >= :start AND c.noted_at < :end) AS charges,
  (SELECT CAST(count(*) AS BIGINT) FROM entry e WHERE e.day BETWEEN :from AND :to AND e.kind || '' = 'refund_paid')
  + (SELECT CAST(count(*) AS BIGINT) FROM refund r
       WHERE r.state <> 'paid' AND r.noted_at >= :start AND r.noted_at < :end) AS refunds,
  (SELECT CAST(count(*) AS BIGINT) FROM entry e
     WHERE e.day BETWEEN :from AND :to AND e.kind || '' IN ('delivery','return')) AS redemptions,
  (SELECT CAST(count(*) AS BIGINT) FROM agreement a
     WHERE a.signed_on <= :to AND (a.ended_at IS NULL OR a.ended_at >= :start)) AS agreements,
  t.postings, t.collected, t.paid_back, t.fees, t.fee_rows, t.wallet_in, t.wallet_out, t.wallet_rows, t.redeemed, t.redeemed_cost,
  t.debit
FROM (
  SELECT
    CAST(count(*) AS BIGINT) AS postings,
    CAST(COALESCE(SUM(CASE WHEN e.kind = 'charge' AND (p.account LIKE 'rail:%' OR p.account IN ('cash','bank'))
                      THEN p.amount ELSE 0 END), 0) AS BIGINT) AS collected,
    CAST(COALESCE(SUM(CASE WHEN e.kind = 'refund_paid' AND (p.account LIKE 'rail:%' OR p.account IN ('cash','bank'))
                      THEN -p.amount ELSE 0 END), 0) AS BIGINT) AS paid_back,
    CAST(COALESCE(SUM(CASE WHEN p.account = 'fees' THEN p.amount ELSE 0 END), 0) AS BIGINT) AS fees,
    CAST(COALESCE(SUM(CASE WHEN p.account = 'fees' THEN 1 ELSE 0 END), 0) AS BIGINT) AS fee_rows,
    CAST(COALESCE(SUM(CASE WHEN p.account IN ('wallet:principal','wallet:bonus') AND p.amount < 0
                      THEN -p.amount ELSE 0 END), 0) AS BIGINT) AS wallet_in,
    CAST(COALESCE(SUM(CASE WHEN p.account IN ('wallet:principal','wallet:bonus') AND p.amount > 0
                      THEN p.amount ELSE 0 END), 0) AS BIGINT) AS wallet_out,
    CAST(COALESCE(SUM(CASE WHEN p.account IN ('wallet:principal','wallet:bonus') THEN 1 ELSE 0 END), 0) AS BIGINT) AS wallet_rows,
    CAST(COALESCE(SUM(CASE WHEN e.kind IN ('delivery','return') AND p.account LIKE 'sales:%'
                      THEN -p.amount ELSE 0 END), 0) AS BIGINT) AS redeemed,
    CAST(COALESCE(SUM(CASE WHEN e.kind IN ('delivery','return') AND p.account = 'cost'
                      THEN p.amount ELSE 0 END), 0) AS BIGINT) AS redeemed_cost,
    CAST(COALESCE(SUM(CASE WHEN p.amount > 0 THEN p.amount ELSE 0 END), 0) AS BIGINT) AS debit
  FROM entry e
  JOIN posting p ON p.entry_id = e.id
  WHERE e.day BETWEEN :from AND :to
) t
