# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# The world outside the cluster: a name server with a few made-up records, and the servers they point to.
# Sourced after common.sh.

start_outside() {
  local authority=$state/outside
  authority "$authority" "bot-bottle outside"
  certificate "$authority" server /CN=example.com "DNS:example.com,DNS:*.example.com,DNS:*.example.org"
  start outside ip netns exec outside python3 "$cluster_directory/outside.py" "$authority/server.crt" "$authority/server.key"
  wait_for 20 "the servers outside did not answer" inside curl --silent --fail http://203.0.113.10/
}

# Records are lines of a hosts file. To change them while the cluster runs: `dns NAME ADDRESS…`, or edit
# STATE/dns/hosts and send SIGHUP to the process in STATE/pids/dns (a number of the machine's own: `enter kill -HUP …`).
# Every query is a line in STATE/log/dns-queries.log.
start_dns() {
  mkdir -p "$state/dns"
  cat > "$state/dns/hosts" <<END
203.0.113.10 api.example.com
203.0.113.11 files.example.com
203.0.113.11 git.example.com
203.0.113.12 second.example.com
203.0.113.12 closed.example.com
203.0.113.12 model.example.com
2001:db8:113::10 six.example.com
10.96.0.1 internal.example.com
203.0.113.10 mixed.example.com
127.0.0.1 mixed.example.com
127.0.0.1 loopback.example.com
10.96.0.1 kubernetes.default.svc.cluster.local
END
  : > "$state/log/dns-queries.log"
  # Without an upstream, and with a last word for every name that has no record: NXDOMAIN.
  start dns dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --no-resolv --no-hosts --no-poll \
    --addn-hosts="$state/dns/hosts" --address=/#/ --local-ttl=0 --bind-interfaces --listen-address="10.88.$number.1" \
    --cache-size=0 --log-queries --log-facility="$state/log/dns-queries.log"
}
