-- What all wallets held at the end of a day: today's balance, read from the index alone, less what moved since.
SELECT
  (SELECT CAST(COALESCE(-SUM(p.amount), 0) AS BIGINT)
     FROM posting p WHERE p.customer_id > 0 AND p.account IN ('wallet:principal','wallet:bonus'))
  + (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT)
       FROM entry e JOIN posting p ON p.entry_id = e.id
       WHERE e.day > :day AND p.account IN ('wallet:principal','wallet:bonus')) AS balance
