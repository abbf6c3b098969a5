package main

import (
	"errors"
	"net"
)

// Settings are chosen at the first start and kept, so that a kubeconfig stays right across starts.
type Settings struct {
	ControlPlaneOnly bool
	Ports            Ports
	// Cgroup is the name of the control group below which those of the pods are; empty without a node.
	Cgroup string
}

// Ports are on loopback.
type Ports struct {
	API, Etcd, EtcdPeers int
}

// settings returns what was chosen before, or chooses now.
func (f Folder) settings(wanted Settings) (Settings, error) {
	var chosen Settings
	found, err := f.read(&chosen, "settings.json")
	if err != nil {
		return chosen, err
	}
	if !found {
		if err := wanted.Ports.choose(); err != nil {
			return wanted, err
		}
		if !wanted.ControlPlaneOnly {
			wanted.Cgroup = cgroupPrefix + newToken()[:8]
		}
		return wanted, f.write(wanted, "settings.json")
	}
	if chosen.ControlPlaneOnly != wanted.ControlPlaneOnly {
		return chosen, errors.New("there is one of another kind in this folder: `down` first")
	}
	if wanted.Ports.API != 0 && wanted.Ports.API != chosen.Ports.API {
		return chosen, errors.New("there is one with another port in this folder: `down` first")
	}
	return chosen, nil
}

// choose fills in free ports; all are held open until the last is known.
func (p *Ports) choose() error {
	for _, port := range []*int{&p.API, &p.Etcd, &p.EtcdPeers} {
		if *port != 0 {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return nil
}
