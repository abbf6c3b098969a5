package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// load gives the node the images of an archive, as `docker save` writes them.
func load(f Folder, archive io.Reader) error {
	return f.inside(func() error {
		command := exec.Command("ctr", "--address="+containerdSocket, "--namespace=k8s.io", "images", "import", "-")
		command.Stdin, command.Stdout, command.Stderr = archive, os.Stderr, os.Stderr
		return command.Run()
	})
}

func loadFile(f Folder, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return load(f, file)
}

// pauseArchive is the image that holds the namespaces of a pod: this program, which can do that too.
func pauseArchive() (io.Reader, error) {
	program, err := os.ReadFile(executable("e2e-cluster"))
	if err != nil {
		return nil, err
	}
	layer, err := archive(file{"pause", 0o755, program})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(layer)
	configuration, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/pause", "pause"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest[:])}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config":   "config.json",
		"RepoTags": []string{pauseImage},
		"Layers":   []string{"layer.tar"},
	}})
	if err != nil {
		return nil, err
	}
	whole, err := archive(
		file{"layer.tar", 0o644, layer},
		file{"config.json", 0o644, configuration},
		file{"manifest.json", 0o644, manifest},
	)
	return bytes.NewReader(whole), err
}

type file struct {
	name  string
	mode  int64
	bytes []byte
}

func archive(files ...file) ([]byte, error) {
	var whole bytes.Buffer
	writer := tar.NewWriter(&whole)
	for _, file := range files {
		header := &tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.bytes))}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(file.bytes); err != nil {
			return nil, err
		}
	}
	return whole.Bytes(), writer.Close()
}

// pause is what the first process of a pod does: it holds the namespaces of the others.
func pause() error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	<-asked
	return nil
}
