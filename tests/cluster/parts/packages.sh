# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# The programs that come from Debian, not from our own builds; sourced after common.sh.

# need COMMAND-OR-FILE=PACKAGE…: installs what is missing when it may, else says in one sentence what that is.
need() {
  local pair program missing=()
  for pair in "$@"; do
    program=${pair%%=*}
    command -v "$program" >/dev/null || [ -e "$program" ] || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian packages: ${missing[*]}"
    apt_install "${missing[@]}" || { apt-get -o DPkg::Lock::Timeout=600 update -qq >/dev/null && apt_install "${missing[@]}"; } ||
      unable "apt-get could not install ${missing[*]}"
  else
    unable "please install ${missing[*]} (I am not root on a Debian, so I can't)"
  fi
}
# Another apt-get, an unattended upgrade for one, holds the lock for a while.
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }

need_for_control_plane() { need openssl=openssl curl=curl python3=python3; }
need_for_http() {
  need nft=nftables ip=iproute2 setpriv=util-linux python3=python3 git=git curl=curl \
    /usr/lib/python3/dist-packages/pip=python3-pip /usr/bin/npm=npm
}
need_for_sandbox() { need bwrap=bubblewrap python3=python3; }
need_for_node() {
  need_for_control_plane
  need containerd=containerd runc=runc /usr/lib/cni/bridge=containernetworking-plugins nft=nftables \
    dnsmasq=dnsmasq-base ip=iproute2 nsenter=util-linux docker-registry=docker-registry
  need_for_images
}
need_for_images() {
  need buildah=buildah gcc=gcc /usr/lib/x86_64-linux-gnu/libc.a=libc6-dev nft=nftables mmdebstrap=mmdebstrap /bin/busybox=busybox-static
}
