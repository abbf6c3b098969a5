package main

import "fmt"

const (
	serviceRange   = "10.96.0.0/16"
	firstServiceIP = "10.96.0.1"
	// nodeIP is where pods reach the node and the API server.
	nodeIP = "10.88.0.1"
)

func (f Folder) etcd(settings Settings) Program {
	ports := settings.Ports
	clients := fmt.Sprintf("http://127.0.0.1:%d", ports.Etcd)
	peers := fmt.Sprintf("http://127.0.0.1:%d", ports.EtcdPeers)
	return Program{Name: "etcd", InNode: !settings.ControlPlaneOnly, Command: []string{
		executable("kubernetes"), "etcd",
		"--name=e2e",
		"--data-dir=" + f.path("etcd"),
		"--listen-client-urls=" + clients,
		"--advertise-client-urls=" + clients,
		"--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=e2e=" + peers,
		"--log-level=warn",
	}}
}

func (f Folder) apiServer(settings Settings) Program {
	ports := settings.Ports
	bind := "127.0.0.1"
	if !settings.ControlPlaneOnly {
		// In the network of the node: only its pods reach it there.
		bind = "0.0.0.0"
	}
	return Program{Name: "kube-apiserver", InNode: !settings.ControlPlaneOnly, Command: []string{
		executable("kubernetes"), "kube-apiserver",
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", ports.Etcd),
		"--bind-address=" + bind,
		fmt.Sprintf("--secure-port=%d", ports.API),
		"--advertise-address=" + nodeIP,
		"--tls-cert-file=" + f.secret("apiserver.crt"),
		"--tls-private-key-file=" + f.secret("apiserver.key"),
		"--client-ca-file=" + f.secret("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--token-auth-file=" + f.secret("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + f.secret("service-accounts.crt"),
		"--service-account-signing-key-file=" + f.secret("service-accounts.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--allow-privileged",
		"--kubelet-client-certificate=" + f.secret("apiserver-to-kubelet.crt"),
		"--kubelet-client-key=" + f.secret("apiserver-to-kubelet.key"),
		// By default the API server asks for the name of the node, which nothing resolves.
		"--kubelet-preferred-address-types=InternalIP",
	}}
}

func (f Folder) controllerManager(settings Settings) Program {
	return Program{Name: "kube-controller-manager", InNode: !settings.ControlPlaneOnly, Command: []string{
		executable("kubernetes"), "kube-controller-manager",
		"--kubeconfig=" + f.kubeconfig("controller-manager"),
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + f.secret("service-accounts.key"),
		"--root-ca-file=" + f.secret("ca.crt"),
		"--leader-elect=false",
		"--secure-port=0",
	}}
}

func (f Folder) scheduler() Program {
	return Program{Name: "kube-scheduler", InNode: true, Command: []string{
		executable("kubernetes"), "kube-scheduler",
		"--kubeconfig=" + f.kubeconfig("scheduler"),
		"--leader-elect=false",
		"--secure-port=0",
	}}
}
