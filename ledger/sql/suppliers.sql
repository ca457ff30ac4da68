-- Suppliers: contract amounts of a year, and grants of a share-out.

-- query: amounts
SELECT a.id, a.supplier, (sum(d.value_fen) - coalesce(any_value(s.fen), 0))::BIGINT AS fen
FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
JOIN agreements AS a ON a.id = d.agreement
JOIN (SELECT contract, arg_max(hub, batch) AS hub, arg_max(province, batch) AS province
    FROM contracts GROUP BY contract) AS c ON c.contract = a.contract
LEFT JOIN (SELECT agreement, sum(refund_fen) AS fen FROM shortfalls
    SEMI JOIN standing AS b ON b.id = shortfalls.batch GROUP BY agreement) AS s
    ON s.agreement = a.id
ANTI JOIN (
    SELECT v.agreement FROM vouchers AS v JOIN voucher_events AS e ON e.voucher = v.id
    SEMI JOIN standing AS b ON b.id = e.batch
    WHERE e.state IN ('consumed', 'claimed', 'paid') AND v.agreement IS NOT NULL
) AS v ON v.agreement = a.id
WHERE year(a.delivery_day) = $year AND NOT a.related
    AND ($hubs = [] OR list_contains($hubs, c.hub))
    AND ($provinces = [] OR list_contains($provinces, c.province))
GROUP BY a.id, a.supplier HAVING fen > 0 ORDER BY a.supplier, a.id;

-- query: agreements
INSERT INTO supplier_agreements SELECT $batch, $programme, agreement, supplier, fen FROM columns;

-- query: grants
INSERT INTO supplier_grants
SELECT $batch, $programme, $version, $year, supplier, amount, $pool, want, fen,
    CASE cut WHEN 0 THEN 'rate' ELSE 'share' END::voucher_binding
FROM columns;
