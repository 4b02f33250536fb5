package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// forwarder makes connections to its address go on, from this process's own namespace, to target.
func forwarder(t *testing.T, target string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("entering a namespace needs root")
	}
	namespace, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	dials, entered := make(chan dial), make(chan error)
	go serveDials(int(namespace.Fd()), dials, entered)
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	listener := listen(t)
	go accept(listener, target, dials)
	return listener.Addr().String()
}

func TestForwardsBytesAndHalfCloseBothWays(t *testing.T) {
	server := listen(t)
	go func() {
		connection, err := server.Accept()
		if err != nil {
			return
		}
		io.Copy(connection, connection)
		connection.Close()
	}()

	connection, err := net.Dial("tcp4", forwarder(t, server.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789"), 500_000)
	go func() {
		connection.Write(sent)
		connection.(*net.TCPConn).CloseWrite()
	}()
	received, err := io.ReadAll(connection)
	if err != nil || !bytes.Equal(received, sent) {
		t.Fatalf("got %d bytes, %v", len(received), err)
	}
}

func TestClosesWhenTheTargetRefuses(t *testing.T) {
	refusing := listen(t)
	refusing.Close()
	connection, err := net.Dial("tcp4", forwarder(t, refusing.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	if received, err := io.ReadAll(connection); len(received) != 0 || err != nil {
		t.Fatalf("got %d bytes, %v", len(received), err)
	}
}
