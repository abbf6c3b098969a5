package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// The API server of a node listens in the network of the node, which nothing outside reaches. A forwarder
// takes connections on a port of the machine's loopback and makes them in there: it lives in the network of
// the node and was given a socket that was opened outside.

// ensureForwarder makes a port of the API server reachable at the same port of the machine's loopback.
func (f Folder) ensureForwarder(port int) error {
	program := Program{
		Name:    "forwarder",
		Command: []string{executable("e2e-cluster"), "forward", fmt.Sprintf("127.0.0.1:%d", port)},
		InNode:  true,
	}
	if running, err := f.running(program.Name); running || err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	return f.start(program, &syscall.SysProcAttr{}, socket)
}

// forward hands every connection of the inherited socket on to an address.
func forward(to string) error {
	const inherited = 3
	listener, err := net.FileListener(os.NewFile(inherited, "socket"))
	if err != nil {
		return fmt.Errorf("`forward` is for a socket that was handed over: %w", err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go connect(client.(*net.TCPConn), to)
	}
}

func connect(client *net.TCPConn, to string) {
	defer client.Close()
	connection, err := net.Dial("tcp", to)
	if err != nil {
		// The client sees what it would see of a server that is not there.
		client.SetLinger(0)
		return
	}
	server := connection.(*net.TCPConn)
	defer server.Close()
	done := make(chan error)
	copy := func(to, from *net.TCPConn) {
		_, err := io.Copy(to, from)
		done <- errors.Join(err, to.CloseWrite())
	}
	go copy(server, client)
	go copy(client, server)
	<-done
	<-done
}
