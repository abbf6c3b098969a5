package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroupPrefix begins the name of every group of ours.
const cgroupPrefix = "beamline-e2e-"

// makeCgroups makes the groups below which the kubelet puts those of the pods: one for each controller, or,
// with cgroup v2, one for all.
func makeCgroups(name string) error {
	for _, root := range cgroupRoots() {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the groups with all below; what was in them has just been killed and may take a moment.
func removeCgroups(name string) error {
	if !groupOfOurs(name) {
		return nil
	}
	var last error
	for deadline := time.Now().Add(endLimit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		last = nil
		for _, root := range cgroupRoots() {
			last = errors.Join(last, removeCgroup(filepath.Join(root, name)))
		}
		if last == nil {
			return nil
		}
	}
	return fmt.Errorf("control groups are left behind: %w", last)
}

// groupOfOurs tells our groups from those of the whole machine, which an empty name would mean.
func groupOfOurs(name string) bool {
	return strings.HasPrefix(name, cgroupPrefix) && !strings.ContainsRune(name, filepath.Separator)
}

// removeCgroup removes from the innermost outwards; the files in a group go with it.
func removeCgroup(path string) error {
	var groups []string
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, group := range slices.Backward(groups) {
		err = errors.Join(err, os.Remove(group))
	}
	return err
}

func cgroupRoots() []string {
	const all = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(all, "cgroup.controllers")); err == nil {
		return []string{all}
	}
	var roots []string
	entries, _ := os.ReadDir(all)
	for _, entry := range entries {
		// Links are second names of the same controllers.
		if entry.IsDir() {
			roots = append(roots, filepath.Join(all, entry.Name()))
		}
	}
	return roots
}
