#!/bin/sh
# From an empty folder to the first debit: open the shop, take over a price list, sign one customer, debit, look, sell.
#
#   KIBBLE=target/debug/kibble examples/first-shop.sh [FOLDER]
#
# Everything is a rehearsal: the payment rails are sandboxes, and --now says what time it is.
set -eu
. "$(dirname "$0")/stage.sh"

say "Open the shop." "开店。"
open_shop 2026-11-02T09:30

say "Take over the price list, and look at the plans on offer." "导入价目表，看看在售的套餐。"
at 2026-11-02T09:40 catalog import "$here/data/catalog.csv"
at 2026-11-02T09:40 plan list

say "Sign a customer from a file; at a terminal, 'kibble sign' alone asks step by step." "按文件签约；在终端里只写 kibble sign 会一步步询问。"
at 2026-11-02T10:00 sign --file "$here/sign.toml"

say "The customer agrees in the wallet app; here the sandbox does." "客户在支付账户里同意；这里由沙箱代劳。"
at 2026-11-02T10:05 sandbox sign --all

say "Three days before the debit day: the customer is told." "扣款日前三天：提醒客户。"
at 2026-12-02T09:00 debit run

say "What would happen on the debit day, without touching anything?" "到了扣款日会发生什么？先看看，不做任何改动。"
at 2026-12-05T09:00 debit run --dry-run

say "The debit day." "扣款日。"
at 2026-12-05T09:00 debit run
at 2026-12-05T09:05 debit show a-1/1
at 2026-12-05T09:05 wallet show c-1

say "The customer takes a bag of food; the wallet pays." "客户拿走一袋猫粮，由宠物钱包支付。"
at 2026-12-06T15:00 orders add c-1 STP-001 --counter
at 2026-12-06T15:05 wallet entries c-1

say "The shop is in $shop" "店铺在 $shop"
