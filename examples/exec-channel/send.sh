#!/bin/sh
# A program for messages: kibble runs it when `shop.toml` says
#
#   [messages]
#   channels = ["program"]
#
#   [channel.program]
#   adapter = "exec"
#   command = ["/path/to/send.sh", "/path/to/sent.jsonl"]
#
# It gets one JSON document a line on stdin:
#   {"v":1,"id":"n-9","key":"…","template":"debit_failed","audience":"customer","phone":"…","lang":"zh","subject":"…","text":"…","values":{…}}
# (email and openid too, where they are known) and answers with one a line on stdout, in any order:
#   {"id":"n-9","result":"sent","said":"what the provider called it"}
# The results: sent; later (nothing was sent, try again); refused (never try this one again); unknown.
# Exit code 75 says "nothing was sent" of every message without an answer. Anything else leaves such a message unknown, and
# kibble does not send it twice by itself.
#
# This one sends nothing to anybody: it keeps the lines in a file. Put the call of your SMS provider into `send`.
set -u
umask 077 # the lines hold phone numbers

kept=${1:?usage: send.sh FILE}
touch "$kept" || exit 75

# Sends one message; 0 when the provider took it.
send() {
    printf '%s\n' "$1" >>"$kept"
}

answer() {
    printf '{"id":"%s","result":"%s","said":"%s"}\n' "$1" "$2" "$3"
}

while IFS= read -r line; do
    id=$(printf '%s\n' "$line" | sed -n 's/^{"v":1,"id":"\([^"]*\)".*/\1/p')
    # A line of a later version: no answer is better than a wrong one.
    [ -n "$id" ] || continue
    # The same line is the same message: after a crash kibble may hand it over again.
    if grep -qxF -e "$line" "$kept"; then
        answer "$id" sent "kept before"
    elif send "$line"; then
        answer "$id" sent "kept"
    else
        answer "$id" later "the file cannot be written"
    fi
done
