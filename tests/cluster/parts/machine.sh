# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# A node's machine: its own network, mounts and processes, so that clusters don't meet, and ending its first process
# ends everything in it. Sourced after common.sh.

# Kept out of the state directory's own tree of cgroup names: one name per cluster, in each hierarchy.
cgroup=bot-bottle-$name

cgroup_hierarchies() {
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; else printf '%s\n' /sys/fs/cgroup/*/; fi
}

make_cgroups() {
  local hierarchy directory
  for hierarchy in $(cgroup_hierarchies); do
    directory=${hierarchy%/}/$cgroup
    mkdir -p "$directory" 2>/dev/null || { [ "$hierarchy" = /sys/fs/cgroup/unified/ ] && continue; unable "no cgroup can be made in $hierarchy"; }
    # A cgroup v1 cpuset takes no process until its two lists are filled.
    for list in cpuset.cpus cpuset.mems; do
      [ ! -f "${hierarchy%/}/$list" ] || [ ! -f /sys/fs/cgroup/cpuset/$list ] || cat "${hierarchy%/}/$list" > "$directory/$list"
    done
  done
}

remove_cgroups() {
  local hierarchy left
  for hierarchy in $(cgroup_hierarchies); do
    [ -d "${hierarchy%/}/$cgroup" ] || continue
    # The kernel lets go of the last process a moment after it has ended.
    for _ in $(seq 50); do
      find "${hierarchy%/}/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
      left=0
      [ ! -d "${hierarchy%/}/$cgroup" ] || { left=1; sleep 0.1; continue; }
      break
    done
    [ "$left" = 0 ] || say "could not remove ${hierarchy%/}/$cgroup"
  done
}

start_machine() {
  local parent child=
  mkdir -p "$state/node"/{netns,containerd-run,kubelet,cni,logs}
  gcc -static -O2 -o "$state/node/pause" "$cluster_directory/parts/pause.c"
  # Its first process: the pods' pause program, which buries what has lost its parent.
  setsid unshare --mount --net --pid --fork --propagation slave --mount-proc -- "$state/node/pause" > "$state/log/machine.log" 2>&1 < /dev/null &
  parent=$!
  for _ in $(seq 100); do
    read -r child _ < "/proc/$parent/task/$parent/children" 2>/dev/null && [ -n "$child" ] && [ "$(cat "/proc/$child/comm")" = pause ] && break
    sleep 0.05
  done
  [ -n "$child" ] || fail "no machine of its own: $(cat "$state/log/machine.log")"
  remember "$state/machine.pid" "$child"
  # Places that containerd, CNI and the kubelet share by fixed names on a real node.
  # shellcheck disable=SC2016 # expanded by the inner shell
  inside bash -euc '
    mount --make-rshared /
    place() { mkdir -p "$2"; mount --bind "$1" "$2"; }
    place "$0/node/netns" /run/netns
    place "$0/node/containerd-run" /run/containerd
    place "$0/node/kubelet" /var/lib/kubelet
    place "$0/node/cni" /var/lib/cni
    mkdir -p "$0/node/logs/pods" "$0/node/logs/containers"
    place "$0/node/logs/pods" /var/log/pods
    place "$0/node/logs/containers" /var/log/containers' "$state"
}

# A wire to the host (198.18.NUMBER.0/30), the pods' bridge, and a second network that stands for the internet.
make_networks() {
  local machine
  machine=$(living "$state/machine.pid")
  # Making the link is what takes the number, so two clusters that start at once can't take the same.
  for number in $(seq 1 250); do
    ip link add "bottle$number" type veth peer name host0 netns "$machine" 2>/dev/null && break
  done
  [ -e "/sys/class/net/bottle$number" ] || fail "no free network number for a cluster"
  echo "$number" > "$state/number"
  ip address add "198.18.$number.1/30" dev "bottle$number"
  ip link set "bottle$number" up
  # shellcheck disable=SC2016 # expanded by the inner shell
  inside bash -euc '
    number=$0
    ip link set lo up
    ip address add "198.18.$number.2/30" dev host0
    ip link set host0 up

    # The gateway address stands before the first pod does: the name server listens on it.
    # An address of its own: else the bridge takes that of a pod, and when that pod goes the others lose their gateway for ten seconds.
    ip link add cni0 address 0a:58:0a:58:00:01 type bridge
    ip address add "10.88.$number.1/24" dev cni0
    ip address add "fd00:88:$number::1/64" dev cni0 nodad
    ip link set cni0 up

    ip netns add outside
    ip link add name outside0 type veth peer name inside0 netns outside
    ip address add 203.0.113.1/24 dev outside0
    ip address add 2001:db8:113::1/64 dev outside0 nodad
    ip link set outside0 up
    outside="ip -n outside"
    $outside link set lo up
    for last in 10 11 12; do
      $outside address add "203.0.113.$last/24" dev inside0
      $outside address add "2001:db8:113::$last/64" dev inside0 nodad
    done
    $outside link set inside0 up
    $outside route add default via 203.0.113.1
    $outside -6 route add default via 2001:db8:113::1
    # All that is not ours is "outside": no packet of a pod ever leaves this computer.
    ip route add default via 203.0.113.10
    ip -6 route add default via 2001:db8:113::10

    echo 1 > /proc/sys/net/ipv4/ip_forward
    echo 1 > /proc/sys/net/ipv6/conf/all/forwarding' "$number"
  # So that a test on the host can call a pod by its address.
  ip route add "10.88.$number.0/24" via "198.18.$number.2"
}
