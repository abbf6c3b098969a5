package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The programs of a node live in namespaces of their own: processes, mounts and network. A first process
// holds these. When it ends the kernel ends all the others and takes away what they mounted and every
// network device and table, so nothing can be left behind on the machine.

const holderName = "node"

// inNode is the folder of the cluster as the node sees it: short, because the path of a socket is bounded.
const inNode = Folder("/run/cluster")

func (f Folder) holder() Program {
	return Program{Name: holderName, Command: []string{executable("e2e-cluster"), "hold", "--folder=" + string(f)}}
}

// ensureHolder starts the first process of a node and waits until the namespaces are furnished.
func (f Folder) ensureHolder() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root; --control-plane-only does not")
	}
	if running, err := f.running(holderName); running || err != nil {
		return err
	}
	if err := os.RemoveAll(f.path("furnished")); err != nil {
		return err
	}
	attributes := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
	}
	if err := f.start(f.holder(), attributes); err != nil {
		return err
	}
	return f.await(holderName, func() error {
		_, err := os.Stat(f.path("furnished"))
		return err
	})
}

// hold is what the first process of a node does.
func hold(f Folder) error {
	if os.Getpid() != 1 {
		return errors.New("`hold` is for the first process of a node")
	}
	if err := furnish(f); err != nil {
		return err
	}
	if err := os.WriteFile(f.path("furnished"), nil, 0o600); err != nil {
		return err
	}
	// What loses its parent in here becomes ours: its end has to be noticed, or it stays as a corpse.
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			time.Sleep(time.Second)
		}
	}
}

// furnish makes the new namespaces fit for a node.
func furnish(f Folder) error {
	mounts := []struct {
		source, target, kind string
		flags                uintptr
	}{
		// Nothing that is mounted in here may show outside.
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		// Programs insist on these places for sockets, state and links to logs.
		{"tmpfs", "/run", "tmpfs", 0},
		{"tmpfs", "/var/log", "tmpfs", 0},
		{string(f), string(inNode), "", unix.MS_BIND},
		{"", string(inNode), "", unix.MS_SHARED},
	}
	for _, mount := range mounts {
		if err := os.MkdirAll(mount.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("cannot mount %s: %w", mount.target, err)
		}
	}
	// The address is on a device of its own: the loopback device is refused as that of a node.
	commands := []string{
		"link set lo up",
		"link add node type bridge",
		"addr add " + nodeIP + "/32 dev node",
		"link set node up",
		// Without a route to them the node itself could not ask services.
		"route add " + serviceRange + " dev node",
	}
	for _, words := range commands {
		if said, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", words, err, said)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
}

// inside does something on a thread that has joined the namespaces of the node: what it starts lives there.
func (f Folder) inside(do func() error) error {
	var holder Process
	if found, err := f.read(&holder, "processes", holderName+".json"); err != nil || !found || !holder.alive() {
		return errors.Join(errors.New("there is no node here"), err)
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with this function.
		runtime.LockOSThread()
		if err := join(holder.Pid); err != nil {
			done <- fmt.Errorf("cannot enter the node: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}

func join(pid int) error {
	// A thread that shares its working directory with others cannot change its mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	var open []*os.File
	for _, kind := range []string{"pid", "net", "mnt"} {
		file, err := os.Open(filepath.Join("/proc", fmt.Sprint(pid), "ns", kind))
		if err != nil {
			return err
		}
		defer file.Close()
		open = append(open, file)
	}
	for _, file := range open {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return err
		}
	}
	return nil
}

// run does one command in the node, with the input and output of this process.
func run(f Folder, words []string) error {
	return f.inside(func() error {
		command := exec.Command(words[0], words[1:]...)
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
		return command.Run()
	})
}
