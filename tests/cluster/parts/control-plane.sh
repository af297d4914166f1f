# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# etcd, API server, controller manager and scheduler; sourced after common.sh.
# Wants `address`, `advertise`, `listen`, `ports` and `apiserver_options`.

start_control_plane() {
  # Tests don't outlive a power cut, and fsync is most of etcd's time.
  start etcd etcd --name test --data-dir "$state/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls "http://127.0.0.1:${ports[etcd]}" --advertise-client-urls "http://127.0.0.1:${ports[etcd]}" \
    --listen-peer-urls "http://127.0.0.1:${ports[peer]}" --initial-advertise-peer-urls "http://127.0.0.1:${ports[peer]}" \
    --initial-cluster "test=http://127.0.0.1:${ports[peer]}"
  # What the operator asks for is compared with the role that the chart gives it.
  cat > "$state/audit.yaml" <<END
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, userGroups: ["system:serviceaccounts:bot-bottle-system"]}
  - {level: None}
END
  # A cluster without the feature shows what the operator's webhook is for.
  local mutating=true
  [ -z "${WITHOUT_MUTATING_POLICY:-}" ] || mutating=false
  # The node has no name that resolves here, so logs and exec go by its address.
  start apiserver kube-apiserver --etcd-servers="http://127.0.0.1:${ports[etcd]}" \
    --bind-address="$listen" --advertise-address="$advertise" --secure-port="${ports[apiserver]}" --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file="$state/pki/apiserver.crt" --tls-private-key-file="$state/pki/apiserver.key" --client-ca-file="$state/pki/ca.crt" \
    --service-account-key-file="$state/pki/service-accounts.pub" --service-account-signing-key-file="$state/pki/service-accounts.key" \
    --service-account-issuer=https://kubernetes.default.svc --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement \
    --feature-gates=MutatingAdmissionPolicy=$mutating --runtime-config=admissionregistration.k8s.io/v1beta1=$mutating \
    --audit-policy-file="$state/audit.yaml" --audit-log-path="$state/log/audit.log" \
    --kubelet-client-certificate="$state/pki/apiserver-to-kubelet.crt" --kubelet-client-key="$state/pki/apiserver-to-kubelet.key" \
    --kubelet-preferred-address-types=InternalIP --allow-privileged=true "${apiserver_options[@]}"
  wait_for 90 "the API server was not ready" kubectl --kubeconfig "$state/admin.kubeconfig" get --raw /readyz
  # It signs client certificates, as that of any cluster does: the tests' people get theirs by the API.
  # The defaults (20 and 50 requests a second) would be the wall of every load test.
  start controller-manager kube-controller-manager --kubeconfig="$state/controller-manager.kubeconfig" \
    --authentication-kubeconfig="$state/controller-manager.kubeconfig" --authorization-kubeconfig="$state/controller-manager.kubeconfig" \
    --bind-address=127.0.0.1 --secure-port="${ports[controller-manager]}" --cert-dir="$state/pki/controller-manager" --use-service-account-credentials=true \
    --service-account-private-key-file="$state/pki/service-accounts.key" --root-ca-file="$state/pki/ca.crt" \
    --cluster-signing-cert-file="$state/pki/ca.crt" --cluster-signing-key-file="$state/pki/ca.key" --leader-elect=false --kube-api-qps=1000 --kube-api-burst=1000
  start scheduler kube-scheduler --kubeconfig="$state/scheduler.kubeconfig" \
    --authentication-kubeconfig="$state/scheduler.kubeconfig" --authorization-kubeconfig="$state/scheduler.kubeconfig" \
    --bind-address=127.0.0.1 --secure-port="${ports[scheduler]}" --cert-dir="$state/pki/scheduler" --leader-elect=false --kube-api-qps=1000 --kube-api-burst=1000
  # Pods are refused until the namespace's account exists.
  wait_for 60 "the default service account was not made" kubectl --kubeconfig "$state/admin.kubeconfig" get serviceaccount default
}
