package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Program is one program of the cluster, as it is started.
type Program struct {
	Name string
	// Command begins with the path of the executable.
	Command []string
	// InNode says that it lives in the namespaces of the node.
	InNode bool
}

// Process is a started program, as it is recorded.
type Process struct {
	Program Program
	Pid     int
	// Born tells this process from a later one with the same id: the clock tick it started at.
	Born string
}

// executable is the path of a program that was built for the cluster.
func executable(name string) string {
	own, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(own), name)
}

// endLimit is how long a program has to end by itself before it is killed.
const endLimit = 15 * time.Second

// ensure starts a program unless it runs as it should.
func (f Folder) ensure(program Program) error {
	if running, err := f.running(program.Name); running || err != nil {
		return err
	}
	return f.start(program, &syscall.SysProcAttr{})
}

// running tells whether a program was started and has not ended.
func (f Folder) running(name string) (bool, error) {
	var process Process
	found, err := f.read(&process, "processes", name+".json")
	return found && process.alive(), err
}

// start starts a program and records it. It may take over open files: the first is its number 3.
func (f Folder) start(program Program, attributes *syscall.SysProcAttr, files ...*os.File) error {
	if err := os.MkdirAll(f.path("logs"), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(f.log(program.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(program.Command[0], program.Command[1:]...)
	command.Stdout, command.Stderr, command.Dir = log, log, string(f)
	command.ExtraFiles = files
	// A session of its own: Ctrl-C in the terminal of `up` is not meant for it.
	attributes.Setsid = true
	command.SysProcAttr = attributes
	begin := command.Start
	if program.InNode {
		begin = func() error { return f.inside(command.Start) }
	}
	if err := begin(); err != nil {
		return fmt.Errorf("cannot start %s: %w", program.Name, err)
	}
	process := Process{Program: program, Pid: command.Process.Pid}
	process.Born, _ = born(process.Pid)
	return f.write(process, "processes", program.Name+".json")
}

func (f Folder) log(program string) string { return f.path("logs", program+".log") }

// failed says of a program that has ended what it said last.
func (f Folder) failed(name string) error {
	var process Process
	found, err := f.read(&process, "processes", name+".json")
	if err != nil || !found || process.alive() {
		return err
	}
	text, err := os.ReadFile(f.log(name))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[max(0, len(lines)-5):]
	return fmt.Errorf("%s has ended; its last words in %s:\n%s", name, f.log(name), strings.Join(last, "\n"))
}

func (p Process) alive() bool {
	now, err := born(p.Pid)
	return err == nil && now == p.Born
}

// end asks a program to end, if it runs, and kills it when it does not.
func (f Folder) end(name string) error {
	var p Process
	if found, err := f.read(&p, "processes", name+".json"); err != nil || !found {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !p.alive() {
			return nil
		}
		if err := syscall.Kill(p.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot end %s: %w", p.Program.Name, err)
		}
		for deadline := time.Now().Add(endLimit); p.alive() && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if p.alive() {
		return fmt.Errorf("%s (process %d) does not end", p.Program.Name, p.Pid)
	}
	return nil
}

// born is the tick at which a process started; an error when there is none, or only its corpse.
func born(pid int) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The name in brackets may hold anything: count the fields after it.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const state, start = 0, 19
	if len(fields) <= start || fields[state][0] == 'Z' {
		return "", errors.New("no process any more")
	}
	return string(fields[start]), nil
}
