package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder is where one cluster is kept.
type Folder string

func (f Folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f Folder) kubeconfig(user string) string { return f.path("access", user+".kubeconfig") }

func (f Folder) secret(name string) string { return f.path("access", name) }

// read fills `value` from a file of the folder; false when there is none.
func (f Folder) read(value any, parts ...string) (bool, error) {
	text, err := os.ReadFile(f.path(parts...))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, value)
}

// write replaces a file of the folder in one step, so that a crash leaves the old one or the new one.
func (f Folder) write(value any, parts ...string) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(f.path(parts...), text)
}

func writeWhole(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
