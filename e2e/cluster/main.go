// E2e-cluster brings up a Kubernetes for tests from its own programs: no container engine, no downloads.
// The programs lie beside this one; everything else is below one folder, and what is started is ended by
// recorded process ids.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const usage = `e2e-cluster: a Kubernetes for tests

  e2e-cluster up               start it, or what is missing of it; prints the path of the kubeconfig
  e2e-cluster down             end it and remove its folder
  e2e-cluster load ARCHIVE     give the node the images of an archive, as "docker save" writes them
  e2e-cluster start PROGRAM    start one program again that has ended
  e2e-cluster run COMMAND ...  run a command in the network and the mounts of the node

Options of all commands:
`

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func command(words []string) error {
	flags := flag.NewFlagSet("e2e-cluster", flag.ContinueOnError)
	folder := flags.String("folder", ".cluster/default", "where everything of one cluster is kept")
	var wanted Settings
	flags.BoolVar(&wanted.ControlPlaneOnly, "control-plane-only", false, "no node: needs no root")
	flags.IntVar(&wanted.Ports.API, "api-port", 0, "port of the API on loopback; 0: a free one")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	if len(words) == 0 {
		flags.Usage()
		return errors.New("which command?")
	}
	if err := flags.Parse(words[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	path, err := filepath.Abs(*folder)
	if err != nil {
		return err
	}
	at := Folder(path)
	switch words[0] {
	case "up":
		return up(at, wanted)
	case "down":
		return down(at)
	case "load":
		return loadFile(at, flags.Arg(0))
	case "start":
		return startAgain(at, flags.Arg(0))
	case "run":
		return run(at, flags.Args())
	case "hold":
		return hold(at)
	case "forward":
		return forward(flags.Arg(0))
	case "pause":
		return pause()
	default:
		flags.Usage()
		return fmt.Errorf("unknown command %q", words[0])
	}
}
