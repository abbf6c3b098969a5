package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// User is who a program of the cluster, or the person who runs the tests, is to the API server.
type User struct {
	// Name of its kubeconfig.
	Name string
	// As is its name at the API server.
	As     string
	Groups string
}

var users = []User{
	{"admin", "admin", "system:masters"},
	{"controller-manager", "system:kube-controller-manager", ""},
	{"scheduler", "system:kube-scheduler", ""},
	{"kubelet", "system:node:" + nodeName, "system:nodes"},
	{"proxy", "system:kube-proxy", ""},
}

// nodeName is the only node.
const nodeName = "node"

// grantAccess makes the certificates, and a token and a kubeconfig for every user, unless they are there.
func (f Folder) grantAccess(server string) error {
	tokens := f.secret("tokens.csv")
	if _, err := os.Stat(tokens); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.makeCertificates(); err != nil {
		return fmt.Errorf("cannot make certificates: %w", err)
	}
	authority, err := os.ReadFile(f.secret("ca.crt"))
	if err != nil {
		return err
	}
	var table strings.Builder
	for _, user := range users {
		token := newToken()
		fmt.Fprintf(&table, "%s,%s,%s,\"%s\"\n", token, user.As, user.Name, user.Groups)
		text := fmt.Sprintf(kubeconfig, base64.StdEncoding.EncodeToString(authority), server, token)
		if err := writeWhole(f.kubeconfig(user.Name), []byte(text)); err != nil {
			return err
		}
	}
	// Last: it says that all the others are there.
	return writeWhole(tokens, []byte(table.String()))
}

func newToken() string {
	var random [16]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: e2e
  cluster:
    certificate-authority-data: %s
    server: %s
users:
- name: e2e
  user:
    token: %s
contexts:
- name: e2e
  context: {cluster: e2e, user: e2e}
current-context: e2e
`
