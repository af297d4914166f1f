# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# A registry (Debian's docker-registry) in the cluster's machine, by plain HTTP: what is built is pushed there, and the
# node pulls from it. Its address is in STATE/registry. The same images are to be had by TLS with a login (STATE/registry-tls,
# user and password bottle, its authority in STATE/registry-pki/ca.crt) and by a registry that takes none (STATE/registry-readonly).
# Sourced after common.sh and certificates.sh.

start_registry() {
  local host=10.88.$number.1 pki=$state/registry-pki
  mkdir -p "$state/registry-data"
  authority "$pki" "bot-bottle $name registry"
  certificate "$pki" server "/CN=$host" "IP:$host"
  python3 -W ignore -c 'import crypt; print("bottle:" + crypt.crypt("bottle", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' > "$state/registry-users"
  one_registry registry "$host:5000" http "" ""
  one_registry registry-readonly "$host:5001" http "" "maintenance: {readonly: {enabled: true}},"
  one_registry registry-tls "$host:5443" https "tls: {certificate: $pki/server.crt, key: $pki/server.key}" ""
}

one_registry() { # name address scheme tls storage
  local login="" ca=""
  if [ "$3" = https ]; then
    login="auth: {htpasswd: {realm: bottle, path: $state/registry-users}}"
    ca="  ca = \"$state/registry-pki/ca.crt\""
  fi
  # containerd takes plain HTTP, and what no authority of the web vouches for, only where it is told to.
  mkdir -p "$state/registries/$2"
  cat > "$state/registries/$2/hosts.toml" <<END
server = "$3://$2"
[host."$3://$2"]
  capabilities = ["pull", "resolve"]
$ca
END
  cat > "$state/$1.yaml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/registry-data}, $5 delete: {enabled: true}}
http: {addr: "$2", ${4:+$4,} secret: none}
$login
END
  start "$1" docker-registry serve "$state/$1.yaml"
  wait_for 20 "$1 did not answer" inside curl --silent --insecure "$3://$2/v2/"
  echo "$2" > "$state/$1"
}
