package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// apiClient asks the API server as the admin.
type apiClient struct {
	server, token string
	http          http.Client
}

func (f Folder) client(server string) (*apiClient, error) {
	authority, err := os.ReadFile(f.secret("ca.crt"))
	if err != nil {
		return nil, err
	}
	table, err := os.ReadFile(f.secret("tokens.csv"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	client := &apiClient{server: server, http: http.Client{Transport: transport, Timeout: 5 * time.Second}}
	// The admin is the first of the users.
	client.token, _, _ = strings.Cut(string(table), ",")
	return client, nil
}

// get fails unless the API server answers; the answer is written to the given values.
func (c *apiClient) get(path string, into ...any) error {
	request, err := http.NewRequest(http.MethodGet, c.server+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return fmt.Errorf("%s: %s: %s", path, answer.Status, text)
	}
	for _, value := range into {
		if err := json.NewDecoder(answer.Body).Decode(value); err != nil {
			return err
		}
	}
	return nil
}

// nodeIsReady fails while pods cannot run, or nobody has said so since the given time.
func (c *apiClient) nodeIsReady(since time.Time) error {
	var node struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
				LastHeartbeatTime     time.Time
			}
		}
	}
	if err := c.get("/api/v1/nodes/"+nodeName, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && !condition.LastHeartbeatTime.Before(since) {
			if condition.Status == "True" {
				return nil
			}
			return fmt.Errorf("the node is not ready: %s", condition.Message)
		}
	}
	return fmt.Errorf("the node has not reported yet")
}
