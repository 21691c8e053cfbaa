-- Every account that was ever used, read from the index alone.
SELECT DISTINCT p.customer_id, p.account FROM posting p ORDER BY p.customer_id, p.account
