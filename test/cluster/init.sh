#!/usr/bin/env bash
# PID 1 of the node's own PID, mount, network, UTS, IPC and cgroup namespaces. Everything made here ends with this process.
# The environment (RUN, BIN, RUNC and the addresses) is written by start.ts.
set -euo pipefail
cd "$RUN"

step() { echo "$(date +%s.%N) $*" >>"$RUN/steps"; }

mount_cgroups() {
  mount -t tmpfs -o mode=755,size=1m cgroup /sys/fs/cgroup
  local name
  for name in $CGROUP_CONTROLLERS; do
    mkdir "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
  done
  # Every line of /proc/self/cgroup needs its mount, or containerd loses metrics and OOM events.
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
}

mount_cgroup2() {
  mount -t cgroup2 cgroup /sys/fs/cgroup
  # A cgroup that hands controllers to its children may hold no process itself.
  mkdir -p /sys/fs/cgroup/init
  local process controller
  while read -r process; do echo "$process" >/sys/fs/cgroup/init/cgroup.procs || true; done </sys/fs/cgroup/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
}

mount_own_view() {
  mount --make-rprivate /
  umount -R -l /sys
  mount -t sysfs -o nosuid,nodev,noexec sysfs /sys # of this network namespace, without the host's cgroup mounts
  if [ "$CGROUP_VERSION" = 2 ]; then mount_cgroup2; else mount_cgroups; fi
  mount -t tmpfs -o mode=755 run /run
  mkdir -p /run/lock /run/netns

  local folder
  for folder in var etc; do
    mkdir -p "$RUN/over/$folder" "$RUN/over/$folder-work"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$RUN/over/$folder,workdir=$RUN/over/$folder-work" overlay "/$folder"
  done
}

# The kubelet insists on six machine-wide settings; it is shown the values it wants, so that it leaves the host's alone.
shield_sysctls() {
  mkdir -p "$RUN/sysctl"
  local setting file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file="$RUN/sysctl/$(tr / . <<<"${setting%=*}")"
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
}

# A veth pair carries the node's address, because not every kernel has the dummy device.
make_network() {
  hostname "$NODE_NAME"
  printf '127.0.0.1 localhost\n%s %s\n' "$NODE_IP" "$NODE_NAME" >/etc/hosts
  : >"$RUN/resolv.conf"
  rm -f /etc/resolv.conf
  : >/etc/resolv.conf
  ip link set lo up
  ip link add node0 type veth peer name node0p
  ip link set node0p up
  ip addr add "$NODE_IP/24" dev node0
  ip link set node0 up
  ip route add default dev node0
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# Runs a program and starts it again a second after it ends.
service() {
  local name=$1
  shift
  (
    set +e
    while :; do
      "$@" >>"$RUN/log/$name.log" 2>&1
      echo "$(date +%T) $name ended with $?" >>"$RUN/log/exits"
      sleep 1
    done
  ) &
}

wait_for() {
  local name=$1
  shift
  until "$@" >/dev/null 2>&1; do sleep 0.05; done
  step "$name"
}

import_images() {
  wait_for containerd "$BIN/ctr" -a /run/containerd/containerd.sock version
  local image
  for image in $IMAGES; do
    "$BIN/ctr" -a /run/containerd/containerd.sock -n k8s.io images import "$image" >>"$RUN/log/import.log" 2>&1
    step "image $(basename "$image" .tar)"
  done
  step images
}

start_control_plane() {
  local etcd="http://127.0.0.1:$ETCD_PORT" peer="http://127.0.0.1:$ETCD_PEER_PORT"
  service etcd "$BIN/etcd" --data-dir "$RUN/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" \
    --unsafe-no-fsync --log-level error
  service apiserver "$BIN/kube-apiserver" --etcd-servers "$etcd" --bind-address 0.0.0.0 --advertise-address "$NODE_IP" \
    --secure-port "$API_PORT" --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key \
    --client-ca-file pki/ca.crt --cert-dir "$RUN/apiserver" --service-account-key-file pki/sa.pub \
    --service-account-signing-key-file pki/sa.key --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --kubelet-client-certificate pki/kubelet-client.crt --kubelet-client-key pki/kubelet-client.key \
    --kubelet-certificate-authority pki/ca.crt --kubelet-preferred-address-types InternalIP \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --service-cluster-ip-range "$SERVICE_CIDR" --allow-privileged=true
}

# Without the qps flags the controllers are seconds late; without the plugin folder they make one on the host.
start_controllers() {
  service controller-manager "$BIN/kube-controller-manager" --kubeconfig pki/controller-manager.kubeconfig \
    --service-account-private-key-file pki/sa.key --root-ca-file pki/ca.crt --cluster-signing-cert-file pki/ca.crt \
    --cluster-signing-key-file pki/ca.key --use-service-account-credentials --kube-api-qps 300 --kube-api-burst 500 \
    --leader-elect=false --bind-address 127.0.0.1 --cluster-cidr "$POD_CIDR" --allocate-node-cidrs=false \
    --flex-volume-plugin-dir "$RUN/volume-plugins"
  service scheduler "$BIN/kube-scheduler" --kubeconfig pki/scheduler.kubeconfig --leader-elect=false --bind-address 127.0.0.1
  service kube-proxy "$BIN/kube-proxy" --config "$RUN/kube-proxy.yaml"
}

kubectl() { KUBECACHEDIR="$RUN/kubecache" "$BIN/kubectl" --kubeconfig pki/local.kubeconfig "$@"; }

mount_own_view
shield_sysctls
mount --make-rshared /
make_network
step namespaces

start_control_plane
service containerd env PATH="$BIN:$(dirname "$RUNC"):$PATH" "$BIN/containerd" -c "$RUN/containerd.toml"
import_images &
wait_for containerd-socket test -S /run/containerd/containerd.sock
service kubelet "$BIN/kubelet" --config "$RUN/kubelet.yaml" --kubeconfig pki/kubelet.kubeconfig --root-dir "$RUN/kubelet" \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_IP" --cert-dir "$RUN/kubelet-pki"
wait_for apiserver kubectl get --raw /readyz
start_controllers
kubectl apply -f "$MANIFESTS" >>"$RUN/log/apply.log" 2>&1
step manifests

# Reaps what containers leave behind, until this process is killed.
set +e
while :; do wait -n 2>/dev/null || sleep 1; done
