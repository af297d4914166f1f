# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# Names, places and small helpers that the scripts of the test cluster share; sourced, never run.

kubernetes_version=1.34.4
cluster_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
repository=$(cd "$cluster_directory/../.." && pwd)
cache=${BOT_BOTTLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bot-bottle}
state_root=${BOT_BOTTLE_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/bot-bottle}
programs=$cache/kubernetes-$kubernetes_version
images=$cache/images
# Debian keeps nft, dnsmasq and runc where an ordinary user's PATH does not look.
PATH=${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$programs:$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }
# 77 is the usual "skipped, not failed": this machine can't run it.
unable() { say "can't run here: $*"; exit 77; }

# Sets `name` and `state` for a cluster, and refuses names that would not fit a file or a cgroup.
use_cluster() {
  name=$1
  [[ $name =~ ^[a-z0-9][a-z0-9-]{0,39}$ ]] || fail "a cluster's name has lower case letters, digits and dashes: $name"
  state=$state_root/cluster-$name
}

# A process id alone may be somebody else's by now, so its start time is kept beside it.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
remember() { printf '%s %s\n' "$2" "$(start_time "$2")" > "$1"; }
# Prints the process id kept in a file, if that very process still runs.
living() {
  local id started
  [ -f "$1" ] && read -r id started < "$1" || return 1
  [ -n "$started" ] && [ "$(start_time "$id")" = "$started" ] && echo "$id"
}
end_process() {
  local id
  id=$(living "$1") || return 0
  kill "$id" 2>/dev/null || return 0
  for _ in $(seq 100); do living "$1" >/dev/null || return 0; sleep 0.1; done
  kill -KILL "$id" 2>/dev/null || true
}

# wait_for SECONDS WHAT COMMAND…: tries until it succeeds; a failure names the log that says why.
wait_for() {
  local seconds=$1 what=$2 deadline
  shift 2
  deadline=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what: not within $seconds s; see $state/log"
    sleep 0.2
  done
}

# Cargo takes for ours what another checkout has built into the same target directory, though that one's path is compiled in.
clean_others_programs() {
  local mark=$CARGO_TARGET_DIR/checkout
  [ "$(cat "$mark" 2>/dev/null)" = "$repository" ] && return
  cargo clean --quiet --package bot-bottle
  mkdir -p "$CARGO_TARGET_DIR"
  printf '%s\n' "$repository" > "$mark"
}

# Runs a command where the cluster lives: inside its machine, or here when it is a control plane only.
inside() {
  local machine
  if [ "$(cat "$state/kind")" = control-plane ]; then "$@"; return; fi
  machine=$(living "$state/machine.pid") || fail "the machine of cluster $name has ended"
  nsenter --target "$machine" --mount --net --pid --wdns="$PWD" -- "$@"
}

# Starts a part of the cluster in the background, with its own log.
start() {
  local part=$1
  shift
  # In a machine all processes end with its first one; only those outside need a process id to end them by.
  if [ "$(cat "$state/kind")" = control-plane ]; then
    setsid nohup "$@" > "$state/log/$part.log" 2>&1 < /dev/null &
    remember "$state/pids/$part" $!
  else
    # shellcheck disable=SC2016 # expanded by the inner shell
    inside bash -c 'setsid nohup "${@:2}" > "$1" 2>&1 < /dev/null & echo $!' start "$state/log/$part.log" "$@" > "$state/pids/$part"
  fi
}
