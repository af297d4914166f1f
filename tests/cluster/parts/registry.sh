# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# A registry (Debian's docker-registry) in the cluster's machine, by plain HTTP: what is built is pushed there, and the
# node pulls from it. Its address is in STATE/registry. Sourced after common.sh.

start_registry() {
  local at=10.88.$number.1:5000
  mkdir -p "$state/registry-data" "$state/registries/$at"
  # containerd takes plain HTTP only where it is told to.
  cat > "$state/registries/$at/hosts.toml" <<END
server = "http://$at"
[host."http://$at"]
  capabilities = ["pull", "resolve"]
END
  cat > "$state/registry.yaml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/registry-data}, delete: {enabled: true}}
http: {addr: "$at"}
END
  start registry docker-registry serve "$state/registry.yaml"
  wait_for 20 "the registry did not answer" inside curl --silent --fail "http://$at/v2/"
  echo "$at" > "$state/registry"
}
