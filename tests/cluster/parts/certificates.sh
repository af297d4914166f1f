# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# The cluster's own authority, certificates and kubeconfigs; sourced after common.sh.

authority() { # directory common-name
  mkdir -p "$1"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -keyout "$1/ca.key" -out "$1/ca.crt" -subj "/CN=$2" 2>/dev/null
}

certificate() { # directory name subject alternative-names
  local path=$1/$2
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$path.key" -out "$path.csr" -subj "$3" 2>/dev/null
  openssl x509 -req -in "$path.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial -days 3650 -out "$path.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=clientAuth,serverAuth\n' "$4") 2>/dev/null
  rm "$path.csr"
}

kubeconfig() { # name
  cat > "$state/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
- name: $name
  cluster: {server: "$server", certificate-authority-data: $(base64 -w0 "$state/pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$state/pki/$1.crt"), client-key-data: $(base64 -w0 "$state/pki/$1.key")}
contexts:
- name: $name
  context: {cluster: $name, user: $1}
current-context: $name
END
  chmod 600 "$state/$1.kubeconfig"
}

# Wants `server` (the API server's URL) and `address` (its host).
make_certificates() {
  local pki=$state/pki
  authority "$pki" "bot-bottle $name"
  certificate "$pki" apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$address"
  certificate "$pki" apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet DNS:kube-apiserver
  certificate "$pki" admin /O=system:masters/CN=admin DNS:admin
  certificate "$pki" controller-manager /CN=system:kube-controller-manager DNS:controller-manager
  certificate "$pki" scheduler /CN=system:kube-scheduler DNS:scheduler
  certificate "$pki" proxy /CN=system:kube-proxy DNS:proxy
  certificate "$pki" kubelet "/O=system:nodes/CN=system:node:$name" "DNS:$name,IP:$address"
  openssl genrsa -out "$pki/service-accounts.key" 2048 2>/dev/null
  openssl rsa -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub" 2>/dev/null
  for user in admin controller-manager scheduler proxy kubelet; do kubeconfig "$user"; done
}
