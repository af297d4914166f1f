# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and the other way round
# containerd, kubelet and kube-proxy in the cluster's machine; sourced after common.sh. Wants `number` and `address`.

start_node() {
  mkdir -p "$state/containerd" "$state/network"
  write_network
  write_containerd
  write_kubelet
  write_proxy
  start containerd containerd --config "$state/containerd.toml"
  wait_for 30 "containerd did not answer" ctr --address "$state/containerd/containerd.sock" version
  pause_image | ctr --address "$state/containerd/containerd.sock" --namespace k8s.io images import - >/dev/null
  start kubelet kubelet --config="$state/kubelet.yaml" --kubeconfig="$state/kubelet.kubeconfig" --hostname-override="$name" \
    --root-dir=/var/lib/kubelet --node-ip="$address"
  start proxy kube-proxy --config="$state/proxy.yaml" --hostname-override="$name"
  wait_for 60 "the node did not appear" kubectl --kubeconfig "$state/admin.kubeconfig" get node "$name"
  kubectl --kubeconfig "$state/admin.kubeconfig" wait --for=condition=Ready "node/$name" --timeout=60s >/dev/null ||
    fail "the node was not ready; see $state/log/kubelet.log"
}

# Pods have IPv6 too, so that a test of what may leave a pod can try it.
write_network() {
  cat > "$state/network/10-bridge.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {"type": "host-local",
    "ranges": [[{"subnet": "10.88.$number.0/24"}], [{"subnet": "fd00:88:$number::/64"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
}

write_containerd() {
  local snapshotter=overlayfs
  # An overlay can't lie on an overlay, and a container's own root often is one.
  [ "$(stat --file-system --format=%T "$state")" != overlayfs ] || snapshotter=native
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many sandboxes, no pod would start otherwise.
  # enable_unprivileged_icmp: so that an agent's ping fails by its lock, not for want of a capability.
  cat > "$state/containerd.toml" <<END
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$state/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$state/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "bot-bottle/pause:1"
  restrict_oom_score_adj = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$state/registries"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/network"
END
}

write_kubelet() {
  local measured=true
  # The kubelet can't measure an overlay, and would end over it.
  [ "$(stat --file-system --format=%T "$state")" != overlayfs ] || measured=false
  # No upstream for what runs with the node's own resolver.
  echo "nameserver 10.88.$number.1" > "$state/resolv.conf"
  cat > "$state/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {x509: {clientCAFile: $state/pki/ca.crt}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
containerRuntimeEndpoint: unix://$state/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: $measured
clusterDNS: [10.88.$number.1]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
maxPods: 200
podPidsLimit: 4096
serializeImagePulls: false
readOnlyPort: 0
registryPullQPS: 0
eventRecordQPS: 0
END
}

write_proxy() {
  # The conntrack limits belong to the whole computer; a network namespace may not write them.
  cat > "$state/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/proxy.kubeconfig}
mode: nftables
clusterCIDR: 10.88.$number.0/24
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 50ms}
END
}

# The image that holds a pod's namespaces: one static program, written as an archive by hand, since no registry is near.
pause_image() {
  python3 - "$state/node/pause" <<'END'
import hashlib, io, json, sys, tarfile

def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()

layer = archive({"pause": open(sys.argv[1], "rb").read()})
config = json.dumps({
    "architecture": "amd64", "os": "linux",
    "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
}).encode()
manifest = json.dumps([{"Config": "config.json", "RepoTags": ["bot-bottle/pause:1"], "Layers": ["layer.tar"]}]).encode()
sys.stdout.buffer.write(archive({"config.json": config, "layer.tar": layer, "manifest.json": manifest}))
END
}
