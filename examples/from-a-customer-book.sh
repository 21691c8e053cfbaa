#!/bin/sh
# A shop that debits customers already: its book as a CSV goes in, then a month of debit runs.
#
#   KIBBLE=target/debug/kibble examples/from-a-customer-book.sh [FOLDER]
#
# DAYS and HOURS choose how much of November is played: DAYS="01 02 03" HOURS="09 17". Cron runs every hour; a rehearsal
# gets by with two or three hours of the day.
set -eu
. "$(dirname "$0")/stage.sh"
DAYS=${DAYS:-$(seq -w 1 30)}
HOURS=${HOURS:-"09 17"}
month=2026-11

open_shop $month-01T08:00
at $month-01T08:00 catalog import "$here/data/catalog.csv"

say "The book. Look first: which rows are sound, and what is wrong with the others?" "导入旧账本。先试运行：哪些行没问题，其余的哪里不对？"
# Refused rows are written beside the book, so the book is copied first.
cp "$here/data/customers.csv" "$work/customers.csv"
at $month-01T08:10 agreement import "$work/customers.csv" --paid-until 2026-10-31 --dry-run

say "Take it over. Terms until 31 October were collected before kibble." "正式导入。10月31日以前的各期，启用 kibble 之前已经收过。"
quietly_at $month-01T08:15 agreement import "$work/customers.csv" --paid-until 2026-10-31
say "Once more: nothing may change." "再导入一次：什么都不应改变。"
at $month-01T08:20 agreement import "$work/customers.csv" --paid-until 2026-10-31 | sed -n 1,4p

say "Every customer agrees to the debit." "所有客户同意代扣。"
at $month-01T08:30 sandbox sign --all
at $month-01T08:30 sandbox state

say "The month begins. On the fourth, two customers have no money and one answer gets lost." "新的一月。4日有两位客户余额不足，还有一次应答丢失。"
for day in $DAYS; do
    for hour in $HOURS; do
        if [ "$day $hour" = "04 09" ]; then
            quietly_at "$month-${day}T$hour:00" sandbox fault wechat decline --times 2 --reason no_funds
            quietly_at "$month-${day}T$hour:00" sandbox fault wechat lose-answer
        fi
        case $day in
        03 | 04) at "$month-${day}T$hour:00" debit run ;;
        *) quietly_at "$month-${day}T$hour:00" debit run ;;
        esac
    done
done
now=$month-${day}T$hour:00

say "What became of it." "结果。"
at "$now" debit list failed
at "$now" debit list unknown
at "$now" report overview --month $month
at "$now" sandbox state

say "The shop is in $shop" "店铺在 $shop"
