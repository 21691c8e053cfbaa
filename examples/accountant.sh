#!/bin/sh
# What the accountant gets: a debit, an order, and the month's files, added up again by other programs.
#
#   KIBBLE=target/debug/kibble examples/accountant.sh [FOLDER]
#
# Uses python3 and hledger where they are installed, and says so where they are not.
set -eu
. "$(dirname "$0")/stage.sh"

say "A shop with one customer, one debit, one order." "一位客户、一次扣款、一个订单。"
open_shop 2026-11-02T09:30
quietly_at 2026-11-02T09:40 catalog import "$here/data/catalog.csv"
quietly_at 2026-11-02T10:00 sign --file "$here/sign.toml"
quietly_at 2026-11-02T10:05 sandbox sign --all
quietly_at 2026-12-02T09:00 debit run
at 2026-12-05T09:00 debit run
at 2026-12-06T15:00 orders add c-1 STP-001 LIT-001 --counter

say "The files of December." "12月的文件。"
at 2027-01-02T10:00 report export --month 2026-12 --out "$work/2026-12"

if command -v python3 >/dev/null 2>&1; then
    say "Added up by Python." "用 Python 重新合计。"
    python3 - "$work/2026-12/charges.csv" <<'PY'
import csv, sys
from decimal import Decimal

# utf-8-sig: the file begins with the mark by which Excel and WPS know that it is UTF-8.
with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
    head, *rows = csv.reader(file)
amount = next(place for place, name in enumerate(head) if name in ("Collected", "实收金额"))
print("python3: rows", len(rows), "sum", sum(Decimal(row[amount]) for row in rows))
PY
else
    say "python3 is not installed: skipped." "没有安装 python3，跳过。"
fi

if command -v hledger >/dev/null 2>&1; then
    say "Checked and added up by hledger." "用 hledger 核对并合计。"
    # hledger reads UTF-8 only where the locale says so.
    LC_ALL=C.UTF-8 hledger -f "$work/2026-12/2026-12.journal" check && echo "hledger: check passed"
    LC_ALL=C.UTF-8 hledger -f "$work/2026-12/2026-12.journal" balance --flat
else
    say "hledger is not installed: skipped." "没有安装 hledger，跳过。"
fi

say "The files are in $work/2026-12" "文件在 $work/2026-12"
