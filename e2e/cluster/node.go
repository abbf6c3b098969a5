package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"
)

const (
	podRange         = "10.88.1.0/24"
	dnsServiceIP     = "10.96.0.10"
	containerdSocket = "/run/containerd/containerd.sock"
	// cniPlugins is where Debian installs them.
	cniPlugins = "/usr/lib/cni"
	pauseImage = "localhost/pause:e2e"
	dnsAddress = nodeIP + ":53"
	// policiesReady is where the program of the policies listens once they hold.
	policiesReady = "127.0.0.1:8282"
)

func (f Folder) containerd() Program {
	return Program{Name: "containerd", InNode: true, Command: []string{
		"containerd", "--config=" + inNode.path("node", "containerd.toml"),
	}}
}

func (f Folder) kubelet() Program {
	return Program{Name: "kubelet", InNode: true, Command: []string{
		executable("kubernetes"), "kubelet",
		"--config=" + inNode.path("node", "kubelet.yaml"),
		"--kubeconfig=" + inNode.kubeconfig("kubelet"),
		"--hostname-override=" + nodeName,
		"--node-ip=" + nodeIP,
		"--root-dir=" + inNode.path("kubelet"),
		"--cert-dir=" + inNode.path("kubelet", "pki"),
	}}
}

func (f Folder) proxy() Program {
	return Program{Name: "kube-proxy", InNode: true, Command: []string{
		executable("kubernetes"), "kube-proxy", "--config=" + inNode.path("node", "proxy.yaml"),
	}}
}

func (f Folder) dns() Program {
	return Program{Name: "coredns", InNode: true, Command: []string{
		executable("coredns"), "-conf=" + inNode.path("node", "Corefile"),
	}}
}

// policies refuses what NetworkPolicies do not allow, as the network plugins of other clusters do.
func (f Folder) policies() Program {
	return Program{Name: "policies", InNode: true, Command: []string{
		executable("policies"), "-kubeconfig=" + inNode.kubeconfig("admin"), "-ready=" + policiesReady,
	}}
}

// configureNode writes what the programs of the node read.
func (f Folder) configureNode(settings Settings) error {
	files := map[string]string{
		"containerd.toml":      containerdConfiguration,
		"cni/10-pods.conflist": cniConfiguration,
		"kubelet.yaml":         fmt.Sprintf(kubeletConfiguration, settings.Cgroup),
		"proxy.yaml":           proxyConfiguration,
		"Corefile":             dnsConfiguration,
		"resolv.conf":          "nameserver " + nodeIP + "\n",
	}
	for name, text := range files {
		if err := writeWhole(f.path("node", name), []byte(text)); err != nil {
			return err
		}
	}
	return makeCgroups(settings.Cgroup)
}

func (f Folder) loadPause() error {
	archive, err := pauseArchive()
	if err != nil {
		return err
	}
	return load(f, archive)
}

// applyDNSService points the address that pods ask at CoreDNS, which runs on the node and not in a pod.
func (f Folder) applyDNSService() error {
	command := exec.Command(executable("kubernetes"), "kubectl",
		"--kubeconfig="+f.kubeconfig("admin"), "apply", "--server-side", "-f", "-")
	command.Stdin = strings.NewReader(dnsService)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make the service of the DNS: %w: %s", err, said)
	}
	return nil
}

// listens tries whether something in the node takes connections at an address.
func (f Folder) listens(address string) error {
	return f.inside(func() error {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

var containerdConfiguration = fmt.Sprintf(`version = 2
root = %q
state = "/run/containerd"
[grpc]
address = %q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`, inNode.path("containerd"), containerdSocket, pauseImage, cniPlugins, inNode.path("node", "cni"))

// Every pod is routed, not bridged: so its packets to a service pass the tables of the proxy both ways.
const cniConfiguration = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "ptp",
  "ipMasq": false,
  "ipam": {
    "type": "host-local",
    "dataDir": "/run/cni",
    "ranges": [[{"subnet": "` + podRange + `"}]],
    "routes": [{"dst": "0.0.0.0/0"}]
  }
}]}
`

// The thresholds are low because the disk of a test machine is often rather full.
var kubeletConfiguration = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://` + containerdSocket + `
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: ` + inNode.secret("ca.crt") + `}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /%s
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
clusterDomain: cluster.local
clusterDNS: [` + dnsServiceIP + `]
resolvConf: ` + inNode.path("node", "resolv.conf") + `
`

var proxyConfiguration = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: ` + nodeName + `
clientConnection: {kubeconfig: ` + inNode.kubeconfig("proxy") + `}
clusterCIDR: ` + podRange + `
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`

var dnsConfiguration = `.:53 {
  bind ` + nodeIP + `
  errors
  ready 127.0.0.1:8181
  cache 5
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ` + inNode.kubeconfig("admin") + `
    ttl 5
  }
}
`

const dnsService = `apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: ` + dnsServiceIP + `
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {kubernetes.io/service-name: kube-dns}
addressType: IPv4
ports:
- {name: dns, port: 53, protocol: UDP}
- {name: dns-tcp, port: 53, protocol: TCP}
endpoints:
- addresses: [` + nodeIP + `]
`
