# What the walk-throughs share; read by them with `.`, never run by itself.
#
# Sets `work` (the folder in which everything happens), `shop` (the shop's folder in it) and `here` (this folder).

KIBBLE=${KIBBLE:-kibble}
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
shop=$work/shop

# A sentence in the reader's language: say "English" "中文".
say() {
    case ${LC_ALL:-${LANG:-}} in
    zh*) printf '\n# %s\n' "$2" ;;
    *) printf '\n# %s\n' "$1" ;;
    esac
}

# Shows a command, then runs it on the shop at the rehearsal's time: at "2026-11-02T10:00" plan list.
# Exit code 3 means that a person should look at something; the walk-through goes on.
at() {
    now=$1
    shift
    printf '$ kibble --now %s %s\n' "$now" "$*"
    "$KIBBLE" --shop "$shop" --now "$now" "$@" || [ $? -eq 3 ]
}

# The same without showing the command or its answer; trouble is still shown.
quietly_at() {
    now=$1
    shift
    "$KIBBLE" --shop "$shop" --now "$now" --quiet "$@" >/dev/null || [ $? -eq 3 ]
}

# Opens a shop on sandbox rails. The data key goes beside the shop's folder, not into the home folder of who tries this.
open_shop() {
    at "$1" init --name 团子宠物 --name-en "Tuanzi Pets" --rail alipay=sandbox --rail wechat=sandbox --key-file "$work/kibble.key"
    # The agreement names the shop, so these must be filled in before the first signature; an editor does it as well.
    sed -e 's/^uscc = .*/uscc = "91110101MA00TEST0X"/' \
        -e 's/^address = .*/address = "示例市青禾路1号"/' \
        -e 's/^phone = .*/phone = "010-00000000"/' \
        -e 's/^complaint_phone = .*/complaint_phone = "010-00000001"/' \
        "$shop/shop.toml" >"$work/shop.toml.new"
    mv "$work/shop.toml.new" "$shop/shop.toml"
}
