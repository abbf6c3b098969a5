package main

import (
	"fmt"
	"os"
	"time"
)

// startLimit is how long a busy machine may take to bring up one program.
const startLimit = 5 * time.Minute

// up starts what does not run yet, in an order in which nothing waits in vain.
func up(f Folder, wanted Settings) error {
	settings, err := f.settings(wanted)
	if err != nil {
		return err
	}
	node := !settings.ControlPlaneOnly
	server := fmt.Sprintf("https://127.0.0.1:%d", settings.Ports.API)
	if err := f.grantAccess(server); err != nil {
		return err
	}
	if node {
		if err := f.ensureHolder(); err != nil {
			return err
		}
		if err := f.ensureForwarder(settings.Ports.API); err != nil {
			return err
		}
	}
	if err := f.startControlPlane(settings, server); err != nil {
		return err
	}
	if node {
		if err := f.startNode(settings, server); err != nil {
			return err
		}
	}
	fmt.Println(f.kubeconfig("admin"))
	return nil
}

func (f Folder) startControlPlane(settings Settings, server string) error {
	if err := f.ensure(f.etcd(settings)); err != nil {
		return err
	}
	if err := f.ensure(f.apiServer(settings)); err != nil {
		return err
	}
	api, err := f.client(server)
	if err != nil {
		return err
	}
	if err := f.await("kube-apiserver", func() error { return api.get("/readyz") }, "etcd"); err != nil {
		return err
	}
	if err := f.ensure(f.controllerManager(settings)); err != nil {
		return err
	}
	account := "/api/v1/namespaces/default/serviceaccounts/default"
	return f.await("kube-controller-manager", func() error { return api.get(account) })
}

func (f Folder) startNode(settings Settings, server string) error {
	if err := f.configureNode(settings); err != nil {
		return err
	}
	if err := f.ensure(f.containerd()); err != nil {
		return err
	}
	if err := f.await("containerd", f.loadPause); err != nil {
		return err
	}
	// What the API server knows of the node may be from before a crash. It counts in whole seconds.
	since := time.Now().Truncate(time.Second)
	if running, err := f.running(f.kubelet().Name); err != nil {
		return err
	} else if running {
		since = time.Time{}
	}
	for _, program := range []Program{f.scheduler(), f.kubelet(), f.proxy(), f.dns(), f.policies()} {
		if err := f.ensure(program); err != nil {
			return err
		}
	}
	if err := f.applyDNSService(); err != nil {
		return err
	}
	api, err := f.client(server)
	if err != nil {
		return err
	}
	if err := f.await("kubelet", func() error { return api.nodeIsReady(since) }, "containerd", "kube-proxy"); err != nil {
		return err
	}
	if err := f.await("policies", func() error { return f.listens(policiesReady) }); err != nil {
		return err
	}
	return f.await("coredns", func() error { return f.listens(dnsAddress) })
}

// down ends what was started, clients first, and removes the folder.
func down(f Folder) error {
	var settings Settings
	if found, err := f.read(&settings, "settings.json"); err != nil || !found {
		return err
	}
	// With the holder of a node ends everything that lives in it.
	for _, name := range []string{holderName, "kube-controller-manager", "kube-apiserver", "etcd"} {
		if err := f.end(name); err != nil {
			return err
		}
	}
	if err := removeCgroups(settings.Cgroup); err != nil {
		return err
	}
	return os.RemoveAll(string(f))
}

// startAgain starts a program as it was started before.
func startAgain(f Folder, name string) error {
	var process Process
	found, err := f.read(&process, "processes", name+".json")
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("no program %q was started here", name)
	}
	return f.ensure(process.Program)
}

// await tries until it succeeds; it gives up at once when the program, or one that it needs, has ended.
func (f Folder) await(program string, try func() error, needs ...string) error {
	for deadline := time.Now().Add(startLimit); ; time.Sleep(100 * time.Millisecond) {
		last := try()
		if last == nil {
			return nil
		}
		for _, name := range append(needs, program) {
			if err := f.failed(name); err != nil {
				return err
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w (log: %s)", program, startLimit, last, f.log(program))
		}
	}
}
