// The configuration files of containerd, its network, the kubelet and kube-proxy, for one node. Pure text.

import { join } from 'node:path';
import { binariesFolder, type NodePaths, network, systemImages } from './settings.ts';

/** File name below the node's folder → content. */
export function nodeConfigFiles(paths: NodePaths, runc: string): ReadonlyMap<string, string> {
  return new Map([
    ['containerd.toml', containerd(paths, runc)],
    ['cni/10-node.conflist', cni(paths)],
    ['kubelet.yaml', kubelet(paths)],
    ['kube-proxy.yaml', kubeProxy(paths)],
  ]);
}

/** oom_score_adj stays as it is: lowering it takes CAP_SYS_RESOURCE, which containers and CI machines lack. */
function containerd(paths: NodePaths, runc: string): string {
  const bin = binariesFolder();
  const runtime = `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc`;
  return `version = 3
root = '${paths.folder}/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.erofs', 'io.containerd.differ.v1.erofs', 'io.containerd.snapshotter.v1.blockfile']
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${systemImages.pause}'
[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  restrict_oom_score_adj = true
${runtime}]
  runtime_type = 'io.containerd.runc.v2'
  runtime_path = '${bin}/containerd-shim-runc-v2'
${runtime}.options]
  BinaryName = '${runc}'
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['${bin}']
  conf_dir = '${paths.folder}/cni'
[plugins.'io.containerd.internal.v1.opt']
  path = '${paths.folder}/opt'
`;
}

function cni(paths: NodePaths): string {
  const ipam = {
    type: 'host-local',
    dataDir: join(paths.folder, 'ipam'),
    ranges: [[{ subnet: network.podCidr }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const plugins = [{ type: 'ptp', ipMasq: false, mtu: 1500, ipam }];
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'node', plugins }, undefined, 2)}\n`;
}

/** Image garbage collection is off, because nothing that it removes could be pulled again. */
function kubelet(paths: NodePaths): string {
  return `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
address: ${network.nodeIp}
port: 10250
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
tlsCertFile: ${paths.pki}/kubelet-serving.crt
tlsPrivateKeyFile: ${paths.pki}/kubelet-serving.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "${paths.pki}/ca.crt"}}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [${network.dnsIp}]
resolvConf: ${paths.folder}/resolv.conf
podLogsDir: ${paths.folder}/pods-log
volumePluginDir: ${paths.folder}/volume-plugins
failSwapOn: false
evictionHard: {memory.available: 100Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
nodeStatusUpdateFrequency: 2s
syncFrequency: 10s
shutdownGracePeriod: 0s
enforceNodeAllocatable: [pods]
maxPods: 100
`;
}

/** A minSyncPeriod of 0 would mean a second, during which a new Service is refused. */
function kubeProxy(paths: NodePaths): string {
  return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: "${paths.pki}/proxy.kubeconfig"}
clusterCIDR: ${network.podCidr}
hostnameOverride: ${network.nodeName}
bindAddress: ${network.nodeIp}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: [${network.nodeIp}/32]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 50ms, syncPeriod: 30s}
`;
}
