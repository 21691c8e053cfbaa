-- What all wallets held at the end of the period: today's balance, read from the index alone, less what moved since; and what was
-- delivered from wallets in the 90 days before that end.
SELECT
  (SELECT CAST(COALESCE(-SUM(p.amount), 0) AS BIGINT)
     FROM posting p WHERE p.customer_id > 0 AND p.account IN ('wallet:principal','wallet:bonus'))
  + (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT)
       FROM entry e JOIN posting p ON p.entry_id = e.id
       WHERE e.day > :to AND p.account IN ('wallet:principal','wallet:bonus')) AS balance,
  (SELECT CAST(COALESCE(SUM(l.wallet_part * (l.qty - l.returned_qty) / l.qty), 0) AS BIGINT)
     FROM order_line l WHERE l.delivered_at >= :since AND l.delivered_at < :end) AS redeemed
