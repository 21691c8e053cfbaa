-- Best sellers: what was delivered in the period, less those pieces that came back since. What was sent again was sold once.
SELECT
  l.sku,
  MAX(l.name) AS name,
  MAX(l.category) AS category,
  CAST(SUM(l.qty - l.returned_qty) AS BIGINT) AS units,
  CAST(SUM((l.qty - l.returned_qty) * l.unit_price) AS BIGINT) AS revenue,
  CAST(SUM((l.qty - l.returned_qty) * (l.unit_price - l.unit_cost)) AS BIGINT) AS profit
FROM order_line l
JOIN orders o ON o.id = l.order_id AND o.resend_of IS NULL
WHERE l.delivered_at >= :start AND l.delivered_at < :end
GROUP BY l.sku
HAVING SUM(l.qty - l.returned_qty) > 0
ORDER BY CASE :by WHEN 'revenue' THEN SUM((l.qty - l.returned_qty) * l.unit_price)
                  WHEN 'profit' THEN SUM((l.qty - l.returned_qty) * (l.unit_price - l.unit_cost))
                  ELSE SUM(l.qty - l.returned_qty) END DESC,
         SUM((l.qty - l.returned_qty) * l.unit_price) DESC,
         l.sku
LIMIT :top
